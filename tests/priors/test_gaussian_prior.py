import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats

from aae_tf.priors import gaussian


def test_density_is_that_of_an_isotropic_normal():
    prior = gaussian(3, scale=2.5)
    points = np.random.default_rng(0).normal(0, 3, [50, 3]).astype(np.float32)
    expected = stats.multivariate_normal(np.zeros(3), 2.5**2 * np.eye(3)).logpdf(points)
    np.testing.assert_allclose(prior.log_prob(points), expected, rtol=1e-5)


def test_scale_defaults_to_one():
    np.testing.assert_array_equal(gaussian(2).stddev(), [1.0, 1.0])


def test_is_a_float32_vector():
    prior = gaussian(np.int64(3), scale=2)
    assert isinstance(prior, tfp.distributions.MultivariateNormalDiag)
    assert prior.dtype == tf.float32
    assert prior.event_shape == [3]
    assert prior.batch_shape == []


def test_built_inside_a_function_holds_constants():
    built = []

    @tf.function(autograph=False)
    def build():
        built.append(gaussian(2, scale=3.0))

    build()
    np.testing.assert_array_equal(built[0].stddev().numpy(), [3.0, 3.0])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"dim": 0}, ValueError, "Expected `dim` to be at least 1. Received: dim=0."),
        ({"dim": 2.0}, TypeError, "Expected `dim` to be an integer. Received: dim=2.0."),
        ({"dim": True}, TypeError, "Expected `dim` to be an integer. Received: dim=True."),
        ({"scale": "5"}, TypeError, "Expected `scale` to be a number. Received: scale='5'."),
        ({"scale": True}, TypeError, "Expected `scale` to be a number. Received: scale=True."),
        ({"scale": 0.0}, ValueError, "Expected `scale` to be positive in float32"),
        ({"scale": -1.0}, ValueError, "Expected `scale` to be positive in float32"),
        ({"scale": 1e-60}, ValueError, "Expected `scale` to be positive in float32"),
        ({"scale": 10**400}, ValueError, "Expected `scale` to be finite in float32"),
        ({"scale": float("nan")}, ValueError, "Expected `scale` to be finite in float32"),
        ({"scale": float("inf")}, ValueError, "Expected `scale` to be finite in float32"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        gaussian(**{"dim": 2, **arguments})
