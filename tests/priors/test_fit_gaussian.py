import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.priors import fit_gaussian

FACTOR = np.array([[0.5, 0.0, 0.0], [1.0, 2.0, 0.0], [-0.3, 0.7, 1e-3]])


@pytest.fixture
def codes():
    noise = np.random.default_rng(0).normal(size=[500, 3])
    return (np.array([1.0, -200.0, 0.0]) + noise @ FACTOR.T).astype(np.float32)


def test_moments_are_those_of_the_codes(codes):
    prior = fit_gaussian(codes)
    np.testing.assert_allclose(prior.mean(), codes.mean(axis=0, dtype=np.float64), rtol=1e-6)
    expected = np.cov(codes.astype(np.float64).T)
    np.testing.assert_allclose(prior.covariance(), expected, rtol=1e-4, atol=1e-6)


def test_scales_of_columns_may_differ_widely(codes):
    prior = fit_gaussian(codes * np.array([1e-8, 1.0, 1e8]))
    expected = codes.std(axis=0, ddof=1) * [1e-8, 1.0, 1e8]
    np.testing.assert_allclose(prior.stddev(), expected, rtol=1e-4)


def test_is_a_float32_vector(codes):
    prior = fit_gaussian(tf.constant(codes))
    assert isinstance(prior, tfp.distributions.MultivariateNormalTriL)
    assert prior.dtype == tf.float32
    assert prior.event_shape == [3]
    assert prior.batch_shape == []
    assert fit_gaussian(codes[:4]).event_shape == [3]


def column(values):
    return np.stack([np.random.default_rng(1).normal(size=len(values)), values], axis=1)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ("codes", TypeError, "Expected `codes` to be numbers. Received: codes='codes'."),
        (np.zeros(5), ValueError, r"Expected `codes` to have shape \[n, d\]. .*shape=\(5,\)"),
        (np.zeros((5, 0)), ValueError, r"Expected `codes` to have shape \[n, d\]"),
        (np.zeros((3, 3)), ValueError, "Expected `codes` to have more rows than columns"),
        (column([0.0, 1.0, np.nan]), ValueError, "`codes` to be finite in float32.* with 1 values"),
        (column([0.0, 1.0, np.inf]), ValueError, "Expected `codes` to be finite in float32"),
        (column([0.0, 1.0, 1e39]), ValueError, "`codes` to be finite in float32.* with 1 values"),
        (column([7.1, 7.1, 7.1]), ValueError, "Expected `codes` to vary in all dimensions"),
        (column([0.0, 0.0, 0.0]), ValueError, "Expected `codes` to vary in all dimensions"),
        (
            np.random.default_rng(0).normal(size=[50, 1]).astype("f4") * np.float32([1.0, 0.3]),
            ValueError,
            "Expected `codes` to vary in all dimensions, .* eigenvalue",
        ),
    ],
)
def test_wrong_codes_are_named(wrong, error, message):
    with pytest.raises(error, match=message):
        fit_gaussian(wrong)
