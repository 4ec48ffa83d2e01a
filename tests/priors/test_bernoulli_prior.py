import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats

from aae_tf.priors import bernoulli


def test_density_is_that_of_independent_bits():
    probs = np.array([0.1, 0.5, 0.9])
    points = np.array([[0, 0, 0], [1, 0, 1], [1, 1, 1], [0, 1, 0]], np.float32)
    expected = stats.bernoulli(probs).logpmf(points).sum(axis=1)
    np.testing.assert_allclose(bernoulli(3, probs).log_prob(points), expected, rtol=1e-5)


def test_bits_default_to_even_odds():
    np.testing.assert_array_equal(bernoulli(2).mean(), [0.5, 0.5])


def test_is_a_float32_vector():
    prior = bernoulli(np.int32(3), probs=0.25)
    assert isinstance(prior.distribution, tfp.distributions.Bernoulli)
    np.testing.assert_array_equal(prior.mean(), [0.25, 0.25, 0.25])
    assert prior.dtype == tf.float32
    assert prior.event_shape == [3]
    assert prior.batch_shape == []
    assert prior.sample(seed=[0, 1]).dtype == tf.float32


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"dim": 0}, ValueError, "Expected `dim` to be at least 1. Received: dim=0."),
        ({"dim": 1.5}, TypeError, "Expected `dim` to be an integer. Received: dim=1.5."),
        ({"probs": [0.5]}, ValueError, r"Expected `probs` to have shape \[2\]"),
        ({"probs": [[0.5, 0.5]]}, ValueError, r"Expected `probs` to have shape \[2\]"),
        ({"probs": 1.5}, ValueError, r"Expected `probs` to lie in \[0, 1\]. Received: probs=1.5."),
        ({"probs": None}, ValueError, r"Expected `probs` to lie in \[0, 1\]"),
        ({"probs": "half"}, TypeError, "Expected `probs` to be numbers. Received: probs='half'."),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        bernoulli(**{"dim": 2, **arguments})
