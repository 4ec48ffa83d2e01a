"""Kernels as wide as the median distance."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats
from scipy.spatial import distance

from aae_tf import mmd

POINTS = np.random.default_rng(0).normal(size=(40, 3))


def median_distance(points):
    """The median over pairs of rows that differ, one pair at a time."""
    distances = [
        np.linalg.norm(points[i] - points[j])
        for i in range(len(points))
        for j in range(i)
        if (points[i] != points[j]).any()
    ]
    return np.median(distances)


def widths(kernel):
    return np.array([float(term.length_scale) for term in kernel.kernels])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_width_is_the_median_distance(dtype):
    kernel = mmd.median_kernel(POINTS.astype(dtype))
    assert isinstance(kernel, tfp.math.psd_kernels.ExponentiatedQuadratic)
    assert kernel.dtype == dtype and float(kernel.amplitude) == 1.0
    np.testing.assert_allclose(kernel.length_scale, median_distance(POINTS), rtol=1e-6)


def test_factors_scale_the_distance_and_weigh_equally():
    kernel = mmd.median_kernel(POINTS, factors=(0.5, 1.0, 2.0))
    median = median_distance(POINTS)
    np.testing.assert_allclose(widths(kernel), median * np.array([0.5, 1.0, 2.0]), rtol=1e-12)
    x, y = POINTS[:2]
    squared = np.sum((x - y) ** 2)
    expected = np.mean([np.exp(-squared / (2.0 * (f * median) ** 2)) for f in (0.5, 1.0, 2.0)])
    np.testing.assert_allclose(kernel.apply(x, y), expected, rtol=1e-12)
    np.testing.assert_allclose(kernel.apply(x, x), 1.0, rtol=1e-12)


def test_a_law_whose_median_is_known():
    # |X - Y|^2 / 2 is chi-squared with d degrees of freedom for N(0, I).
    points = np.random.default_rng(1).normal(size=(1000, 4))
    law = stats.chi(4, scale=np.sqrt(2.0))
    expected = law.median()
    # Of a U-quantile: each point's share of closer ones varies, the density turns it into length.
    shares = stats.ncx2(4, np.sum(points**2, axis=1)).cdf(expected**2)
    standard_error = 2.0 * shares.std() / np.sqrt(1000) / law.pdf(expected)
    assert standard_error < 0.02 * expected
    error = abs(float(mmd.median_kernel(points).length_scale) - expected)
    assert error < 4.0 * standard_error


def test_rows_that_repeat_do_not_narrow_the_kernel():
    repeated = np.concatenate([np.zeros((90, 2)), np.eye(2)])
    np.testing.assert_allclose(mmd.median_kernel(repeated).length_scale, 1.0, rtol=1e-12)
    assert np.median([0.0] * 4005 + [1.0] * 180 + [np.sqrt(2.0)]) == 0.0


def test_of_many_rows_some_are_used_from_the_whole_length():
    # Sorted by class, as data sets often are: the first 1,000 rows are one class.
    rng = np.random.default_rng(0)
    points = rng.normal(size=(3000, 2)) + np.repeat([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]], 1000, 0)
    rows = points[rng.choice(3000, 700, replace=False)]
    width = float(mmd.median_kernel(points).length_scale)
    np.testing.assert_allclose(width, np.median(distance.pdist(rows)), rtol=0.05)
    assert width > 2.0 * float(mmd.median_kernel(points[:1000]).length_scale)


def test_closed_form_takes_the_kernel_and_the_kernel_a_tensor():
    normal = tfp.distributions.MultivariateNormalDiag(tf.zeros(3))
    kernel = mmd.median_kernel(tf.constant(POINTS, tf.float32), factors=[0.5, 1.0])
    assert mmd.has_mean_embedding(normal, kernel)
    # E k(X, Y) = mean of (1 + 2 / width^2)^(-d/2) for N(0, I).
    expected = np.mean((1.0 + 2.0 / widths(kernel) ** 2) ** -1.5)
    np.testing.assert_allclose(mmd.mean_embedding_norm(normal, kernel), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        (POINTS[:1], ValueError, r"`samples` to have at least 2 rows. .*samples.shape=\(1, 3\)"),
        (np.ones((5, 2)), ValueError, r"`samples` to have rows that differ. .* all \[1. 1.\]"),
        (np.array([[0.0], [np.nan]]), ValueError, "`samples` to be finite. .* 1 NaN"),
        (POINTS[0], ValueError, r"`samples` to have shape \[n, d\]"),
        (np.zeros((3, 2), int), TypeError, "`samples` to be float32 or float64"),
    ],
)
def test_samples_without_a_median_distance(samples, error, message):
    with pytest.raises(error, match=message):
        mmd.median_kernel(samples)


@pytest.mark.parametrize(
    ("factors", "error", "message"),
    [
        ((), ValueError, r"`factors` to be a sequence of positive .* factors=\(\)"),
        (2.0, ValueError, r"`factors` to be a sequence of positive .* factors=2.0"),
        ((1.0, 0.0), ValueError, "`factors` to be positive in float32. Received: factors=0.0"),
        ((-1.0,), ValueError, "`factors` to be positive in float32. Received: factors=-1.0"),
        ((np.nan,), ValueError, "`factors` to be finite in float32. Received: factors=nan"),
        (("1",), TypeError, "`factors` to be a number. Received: factors='1'"),
    ],
)
def test_factors_out_of_range(factors, error, message):
    with pytest.raises(error, match=message):
        mmd.median_kernel(POINTS, factors)


def test_samples_that_are_not_yet_known():
    @tf.function(input_signature=[tf.TensorSpec([None, 3])])
    def trace(samples):
        return mmd.median_kernel(samples).length_scale

    with pytest.raises(TypeError, match=r"outside a `tf.function`. Received: samples=<tf.Tensor"):
        trace.get_concrete_function()
