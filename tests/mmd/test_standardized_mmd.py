"""The squared MMD in standard deviations."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd, priors

NORMAL = priors.gaussian(2)
KERNEL = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=1.0)
WEIGHTS = np.linspace(0.0, 2.0, 30)


def draws(count, rows, seed=0):
    return np.random.default_rng(seed).normal(size=(count, rows, 2)).astype(np.float32)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("kernel", "weights"),
    [(mmd.default_kernel(NORMAL), None), (KERNEL, WEIGHTS)],
    ids=["sum, equal", "one, weighted"],
)
def test_has_mean_zero_and_variance_one_under_the_prior(kernel, weights):
    @tf.function(input_signature=[tf.TensorSpec([None, 2])], autograph=False)
    def standardize(samples):
        return mmd.standardized_mmd(samples, NORMAL, kernel, weights)

    values = np.array([standardize(samples) for samples in draws(1000, 30)])
    assert abs(values.mean()) < 5.0 * values.std() / np.sqrt(len(values))
    squares = values**2
    assert abs(squares.mean() - 1.0) < 5.0 * squares.std() / np.sqrt(len(values))
    assert 0.005 < (values > 2.0).mean() < 0.08


def test_is_the_unbiased_estimate_over_its_noise():
    (samples,) = draws(1, 40)
    # V for N(0, I) in two dimensions and s = 1.
    variance = 1.0 / 5.0 - 2.0 / 8.0 + 1.0 / 9.0
    expected = float(mmd.squared_mmd(samples, NORMAL, KERNEL)) / np.sqrt(2.0 * variance / (40 * 39))
    value = mmd.standardized_mmd(samples, NORMAL, KERNEL)
    assert value.dtype == tf.float32 and value.shape == ()
    np.testing.assert_allclose(value, expected, rtol=1e-4)


def test_integer_weights_scale_as_one():
    (samples,) = draws(1, 40)
    value = mmd.standardized_mmd(samples, NORMAL, KERNEL)
    np.testing.assert_allclose(
        mmd.standardized_mmd(samples, NORMAL, KERNEL, np.full(40, 3)), value, rtol=1e-4
    )
    dropped = mmd.standardized_mmd(samples, NORMAL, KERNEL, [1.0] * 30 + [0.0] * 10)
    np.testing.assert_allclose(
        dropped, mmd.standardized_mmd(samples[:30], NORMAL, KERNEL), rtol=1e-4
    )
    assert float(mmd.standardized_mmd(samples, NORMAL, KERNEL, np.eye(40)[0])) == 0.0


def test_grows_with_the_number_of_samples_off_the_prior():
    few, many = (
        float(mmd.standardized_mmd(draws(1, n)[0] + 1.0, NORMAL, KERNEL)) for n in (50, 500)
    )
    assert few > 5.0
    assert many == pytest.approx(10.0 * few, rel=0.3)


class TestRefusals:
    def test_a_prior_without_noise(self):
        point = tfp.distributions.VectorDeterministic([0.0, 0.0])
        with pytest.raises(ValueError, match="Expected `distribution` to draw points that differ"):
            mmd.standardized_mmd(np.zeros((3, 2), np.float32), point, KERNEL)

    def test_one_sample(self):
        with pytest.raises(ValueError, match="Expected `samples` to have at least 2 rows"):
            mmd.standardized_mmd(np.zeros((1, 2), np.float32), NORMAL, KERNEL)

    def test_negative_weights(self):
        with pytest.raises(ValueError, match="Expected `weights` to be finite and not negative"):
            mmd.standardized_mmd(draws(1, 3)[0], NORMAL, KERNEL, [-1.0, 1.0, 1.0])

    def test_no_closed_form(self):
        prior = tfp.distributions.Sample(tfp.distributions.Cauchy(0.0, 1.0), 2)
        with pytest.raises(NotImplementedError, match="Expected a mean embedding"):
            mmd.standardized_mmd(draws(1, 3)[0], prior, KERNEL)
