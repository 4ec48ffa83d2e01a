"""The witness function."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import integrate, stats

from aae_tf import mmd, priors

KERNEL = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=0.7)


def test_is_the_difference_of_two_averages():
    rng = np.random.default_rng(0)
    points, samples = rng.normal(size=(5, 1)), rng.normal(size=(20, 1)) + 1.0

    def kernel(t, x):
        return np.exp(-((t - x) ** 2) / (2.0 * 0.7**2))

    expected = [
        kernel(t, samples).mean()
        - integrate.quad(lambda x, t=t: kernel(t, x) * stats.norm.pdf(x), -10.0, 10.0)[0]
        for t in points[:, 0]
    ]
    normal = tfp.distributions.MultivariateNormalDiag(np.zeros(1))
    kernel64 = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=np.float64(0.7))
    np.testing.assert_allclose(mmd.witness(points, samples, normal, kernel64), expected, rtol=1e-7)


def test_its_averages_differ_by_the_biased_squared_mmd():
    ring = priors.ring_mixture(5)
    kernel = mmd.default_kernel(ring)
    samples = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    over_samples = tf.reduce_mean(mmd.witness(samples, samples, ring, kernel))
    embedding = mmd.mean_embedding(ring, kernel, samples)
    over_prior = tf.reduce_mean(embedding) - mmd.mean_embedding_norm(ring, kernel)
    expected = mmd.squared_mmd(samples, ring, kernel, "biased")
    np.testing.assert_allclose(over_samples - over_prior, expected, rtol=1e-4)


def test_says_where_there_is_too_much_and_too_little():
    normal = priors.gaussian(2)
    samples = normal.sample(500, seed=[0, 1]) + tf.constant([1.5, 0.0])
    values = mmd.witness([[2.0, 0.0], [-1.0, 0.0], [50.0, 0.0]], samples, normal, KERNEL).numpy()
    assert values[0] > 0.05 and values[1] < -0.05
    assert values[2] == 0.0


class TestRefusals:
    def test_points_and_samples(self):
        points, normal = np.zeros((3, 2), np.float32), priors.gaussian(2)
        with pytest.raises(TypeError, match="Expected `samples` to have the dtype of `points`"):
            mmd.witness(points, points.astype(np.float64), normal, KERNEL)
        with pytest.raises(ValueError, match="Expected `points` to have as many columns as"):
            mmd.witness(points[:, :1], points, normal, KERNEL)
        with pytest.raises(ValueError, match="Expected `samples` to have as many columns as"):
            mmd.witness(points, points[:, :1], normal, KERNEL)
        with pytest.raises(ValueError, match="Expected `samples` to have at least 1 rows"):
            mmd.witness(points, points[:0], normal, KERNEL)
        with pytest.raises(ValueError, match="Expected `points` to be finite"):
            mmd.witness(points * np.nan, points, normal, KERNEL)

    def test_distribution_and_kernel(self):
        points = np.zeros((3, 2), np.float32)
        with pytest.raises(TypeError, match=r"Expected `distribution` to be a tfd.Distribution"):
            mmd.witness(points, points, KERNEL, KERNEL)
        with pytest.raises(TypeError, match="Expected `kernel` to be a kernel of"):
            mmd.witness(points, points, priors.gaussian(2), "gaussian")
        prior = tfp.distributions.Sample(tfp.distributions.Cauchy(0.0, 1.0), 2)
        with pytest.raises(NotImplementedError, match="Expected a mean embedding"):
            mmd.witness(points, points, prior, KERNEL)
