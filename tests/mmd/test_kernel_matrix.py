"""Kernel values of all pairs: digits, gradients, kernels of other kinds."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.pairs import kernel_matrix, squared_distances
from tests.mmd.mmd_cases import SUM, make_kernel

psd_kernels = tfp.math.psd_kernels


@pytest.mark.parametrize("jit_compile", [False, True])
def test_float32_distances_keep_their_digits_far_from_the_origin(jit_compile):
    rng = np.random.default_rng(0)
    x = (100.0 + rng.normal(size=(50, 8))).astype("float32")
    y = (100.0 + rng.normal(size=(40, 8))).astype("float32")
    exact = ((x.astype("float64")[:, None] - y) ** 2).sum(axis=-1)
    distances = tf.function(squared_distances, jit_compile=jit_compile)(x, y)
    np.testing.assert_allclose(distances, exact, rtol=3e-7)
    # What the same product does in float32: errors of several hundredths.
    product = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2.0 * x @ y.T
    assert np.abs(product - exact).max() > 0.01


def test_narrow_kernel_in_float32():
    x = (50.0 + 0.01 * np.random.default_rng(1).normal(size=(30, 8))).astype("float32")
    kernel = psd_kernels.ExponentiatedQuadratic(length_scale=0.02)
    exact = np.exp(-((x.astype("f8")[:, None] - x) ** 2).sum(axis=-1) / (2.0 * 0.02**2))
    np.testing.assert_allclose(kernel_matrix(kernel, x, x), exact, rtol=1e-6)


@pytest.mark.sampled
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_and_other_kernels(dtype):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(6, 3)).astype(dtype), rng.normal(size=(4, 3)).astype(dtype)
    matern = psd_kernels.MaternFiveHalves(length_scale=np.array(2.0, dtype))
    for kernel in (
        make_kernel(SUM, dtype),
        matern,
        matern + make_kernel(SUM, dtype) + matern,
        matern * make_kernel(SUM[:1], dtype),
        psd_kernels.ExponentiatedQuadratic(),
    ):
        values = kernel_matrix(kernel, tf.constant(x), tf.constant(y))
        assert values.dtype == dtype
        expected = [[kernel.apply(a, b) for b in y] for a in x]
        np.testing.assert_allclose(values, expected, rtol=1e-5 if dtype == "float32" else 1e-12)


def test_gradient_between_coincident_points_is_zero():
    x = tf.ones([4, 3]) * 7.3
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(kernel_matrix(make_kernel(SUM, "float32"), x, x))
    np.testing.assert_allclose(tape.gradient(total, x), np.zeros((4, 3)), atol=1e-6)
