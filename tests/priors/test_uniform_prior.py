import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.priors import uniform


def test_density_is_one_over_the_volume_inside_the_box():
    prior = uniform(3, low=-1.0, high=4.0)
    inside = prior.log_prob([[0.0, 3.9, -0.9]])
    np.testing.assert_allclose(inside, [-3 * np.log(5)], rtol=1e-6)
    assert prior.log_prob([0.0, 0.0, 4.1]) == -np.inf


def test_box_defaults_to_minus_one_to_one():
    assert float(uniform(2).prob([0.0, 0.99])) == 0.25
    assert float(uniform(2).prob([0.0, -1.01])) == 0.0


def test_is_a_float32_vector():
    prior = uniform(3, low=0, high=np.float64(2))
    assert isinstance(prior.distribution, tfp.distributions.Uniform)
    assert prior.dtype == tf.float32
    assert prior.event_shape == [3]
    assert prior.batch_shape == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"dim": -1}, ValueError, "Expected `dim` to be at least 1. Received: dim=-1."),
        ({"dim": "2"}, TypeError, "Expected `dim` to be an integer. Received: dim='2'."),
        ({"low": None}, TypeError, "Expected `low` to be a number. Received: low=None."),
        ({"high": [1.0]}, TypeError, r"Expected `high` to be a number. Received: high=\[1.0\]."),
        ({"low": -np.inf}, ValueError, "Expected `low` to be finite in float32"),
        ({"high": 1e39}, ValueError, "Expected `high` to be finite in float32"),
        ({"low": 1.0}, ValueError, "Expected `low` to be less than high in float32"),
        # Different numbers, and the same float32.
        ({"low": 1.0 - 1e-9}, ValueError, "Expected `low` to be less than high in float32"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        uniform(**{"dim": 2, **arguments})
