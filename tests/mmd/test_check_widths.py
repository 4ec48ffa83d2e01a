"""Widths that are not positive are refused, however deep in a kernel they are."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import divergences, mmd
from aae_tf.mmd.arguments import check_widths

psd_kernels = tfp.math.psd_kernels
GOOD = psd_kernels.ExponentiatedQuadratic(length_scale=1.0)
POINTS = np.random.default_rng(0).normal(size=(4, 2)).astype("float32")

BAD = {
    "RationalQuadratic width": (
        lambda value: psd_kernels.RationalQuadratic(length_scale=value),
        "kernel.length_scale",
    ),
    "RationalQuadratic inverse width": (
        lambda value: psd_kernels.RationalQuadratic(inverse_length_scale=value),
        "kernel.inverse_length_scale",
    ),
    "RationalQuadratic rate": (
        lambda value: psd_kernels.RationalQuadratic(scale_mixture_rate=value),
        "kernel.scale_mixture_rate",
    ),
    "RationalQuadratic height": (
        lambda value: psd_kernels.RationalQuadratic(amplitude=value),
        "kernel.amplitude",
    ),
    "MaternOneHalf": (
        lambda value: psd_kernels.MaternOneHalf(length_scale=value),
        "kernel.length_scale",
    ),
    "MaternFiveHalves": (
        lambda value: psd_kernels.MaternFiveHalves(inverse_length_scale=value),
        "kernel.inverse_length_scale",
    ),
    "GeneralizedMatern": (lambda value: psd_kernels.GeneralizedMatern(df=value), "kernel.df"),
    "ExpSinSquared": (lambda value: psd_kernels.ExpSinSquared(period=value), "kernel.period"),
    "sum": (
        lambda value: GOOD + psd_kernels.MaternThreeHalves(length_scale=value),
        r"kernel.kernels\[1\].length_scale",
    ),
    "product": (
        lambda value: psd_kernels.RationalQuadratic(length_scale=value) * GOOD,
        r"kernel.kernels\[0\].length_scale",
    ),
    "sum of products": (
        lambda value: GOOD + GOOD * psd_kernels.RationalQuadratic(scale_mixture_rate=value),
        r"kernel.kernels\[1\].kernels\[1\].scale_mixture_rate",
    ),
    "FeatureScaled": (
        lambda value: psd_kernels.FeatureScaled(GOOD, scale_diag=[1.0, value]),
        r"kernel.scale_diag",
    ),
    "kernel in FeatureScaled": (
        lambda value: psd_kernels.FeatureScaled(
            psd_kernels.MaternOneHalf(length_scale=value), scale_diag=[1.0, 2.0]
        ),
        "kernel.kernel.length_scale",
    ),
}


@pytest.mark.parametrize(
    ("name", "value"),
    [*((name, 0.0) for name in BAD), ("sum of products", -2.0), ("sum of products", np.nan)],
)
def test_known_values_that_are_not_positive(name, value):
    make, path = BAD[name]
    parameter = path.split(".")[-1]
    message = rf"`kernel` to have a positive {parameter}. Received: {path}=.*{value:.0f}"
    with pytest.raises(ValueError, match=message):
        mmd.squared_mmd_two_samples(POINTS, POINTS, make(value))


def test_positive_values_pass():
    for make, _ in BAD.values():
        check_widths(make(0.5))
    # Kernels whose parameters are left out, which stand for one.
    check_widths(psd_kernels.RationalQuadratic() + psd_kernels.MaternOneHalf())


def test_an_inverse_scale_may_be_zero_and_not_less():
    blind = psd_kernels.FeatureScaled(GOOD, inverse_scale_diag=[1.0, 0.0])
    check_widths(blind)
    other = POINTS * [1.0, 7.0]
    np.testing.assert_allclose(
        blind.apply(POINTS, POINTS[::-1]), blind.apply(other, other[::-1]), rtol=1e-6
    )
    with pytest.raises(ValueError, match=r"`kernel` to have a non-negative inverse_scale_diag. .*"):
        check_widths(psd_kernels.FeatureScaled(GOOD, inverse_scale_diag=[1.0, -1.0]))


def test_a_divergence_refuses_the_kernel_before_it_has_a_prior():
    kernel = GOOD + psd_kernels.RationalQuadratic(length_scale=-1.0)
    message = r"`kernel` to have a positive length_scale. .*kernels\[1\].length_scale=-1.0"
    with pytest.raises(ValueError, match=message):
        divergences.MMD(kernel, prior_terms="sampled")


def test_the_message_names_the_argument():
    with pytest.raises(ValueError, match=r"`base` to have .* Received: base.length_scale=0.0"):
        check_widths(psd_kernels.MaternOneHalf(length_scale=0.0), argument="base")


@pytest.mark.thorough
def test_variables_are_read_where_they_can_be():
    width = tf.Variable(1.0)
    kernel = GOOD + psd_kernels.MaternOneHalf(length_scale=width)
    value = tf.function(lambda: mmd.squared_mmd_two_samples(POINTS, POINTS[:3], kernel))
    assert np.isfinite(value())
    width.assign(-1.0)
    value()  # What a graph reads while it runs is not known while it is traced.
    with pytest.raises(ValueError, match=r"kernel.kernels\[1\].length_scale=-1.0"):
        mmd.squared_mmd_two_samples(POINTS, POINTS[:3], kernel)
