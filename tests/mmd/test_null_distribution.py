"""The variance of MMD^2 where both sides agree."""

import numpy as np
import pytest
import tensorflow_probability as tfp

from aae_tf import mmd

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels


@pytest.mark.parametrize(("dimension", "s"), [(1, 0.5), (2, 1.0), (8, 8.0), (32, 40.0)])
def test_closed_form_for_the_standard_normal(dimension, s):
    normal = tfd.MultivariateNormalDiag(np.zeros(dimension))
    kernel = psd_kernels.ExponentiatedQuadratic(length_scale=np.float64(np.sqrt(s)))
    exact = (
        (s / (s + 4.0)) ** (dimension / 2.0)
        - 2.0 * (s**2 / ((1.0 + s) * (3.0 + s))) ** (dimension / 2.0)
        + (s / (s + 2.0)) ** dimension
    )
    values = [mmd.null_variance(normal, kernel, seed=seed) for seed in range(20, 28)]
    error = np.std(values, ddof=1) / np.sqrt(8)
    assert abs(np.mean(values) - exact) < 5.0 * error
    assert error < 0.05 * exact


def test_other_kernels_and_integer_draws():
    # Two points, half the mass each: h = +-(1 - k)/2, so V = (1 - k)^2 / 4.
    prior = tfd.OneHotCategorical(probs=[0.5, 0.5])
    kernel = psd_kernels.MaternOneHalf(length_scale=1.0)
    k = np.exp(-np.sqrt(2.0))
    np.testing.assert_allclose(mmd.null_variance(prior, kernel), (1.0 - k) ** 2 / 4.0, rtol=0.01)
