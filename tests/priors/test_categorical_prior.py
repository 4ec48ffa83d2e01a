import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.priors import categorical


def test_probabilities_of_the_one_hot_vectors_are_those_given():
    prior = categorical(4, probs=[0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(prior.prob(np.eye(4)), [0.1, 0.2, 0.3, 0.4], rtol=1e-6)


def test_classes_default_to_equal_frequencies():
    np.testing.assert_allclose(categorical(5).mean(), np.full(5, 0.2), rtol=1e-6)


def test_is_a_float32_vector():
    prior = categorical(np.int64(3))
    assert isinstance(prior, tfp.distributions.OneHotCategorical)
    assert prior.dtype == tf.float32
    assert prior.event_shape == [3]
    assert prior.batch_shape == []
    assert prior.sample(seed=[0, 1]).dtype == tf.float32


def test_rounding_of_a_sum_is_taken_out():
    frequencies = np.full(1000, np.float32(1) / 1000) * np.float32(1.00005)
    probs = categorical(1000, frequencies).mean().numpy().astype(np.float64)
    assert abs(probs.sum() - 1) < 1e-6


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_classes": 1}, ValueError, "Expected `num_classes` to be at least 2"),
        ({"num_classes": "3"}, TypeError, "Expected `num_classes` to be an integer"),
        (
            {"probs": [0.5, 0.5]},
            ValueError,
            r"Expected `probs` to have shape \[3\]. Received: probs.shape=\[2\].",
        ),
        ({"probs": 0.3}, ValueError, r"Expected `probs` to have shape \[3\]"),
        ({"probs": "even"}, TypeError, "Expected `probs` to be numbers. Received: probs='even'."),
        ({"probs": [-0.1, 0.6, 0.5]}, ValueError, r"Expected `probs` to lie in \[0, 1\]"),
        ({"probs": [np.nan, 0.5, 0.5]}, ValueError, r"Expected `probs` to lie in \[0, 1\]"),
        ({"probs": [0.3, 0.3, 0.3]}, ValueError, "Expected `probs` to sum to 1. .* sum to 0.9."),
        ({"probs": [0.0, 0.5, 0.5]}, ValueError, "Expected `probs` to be positive"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        categorical(**{"num_classes": 3, **arguments})
