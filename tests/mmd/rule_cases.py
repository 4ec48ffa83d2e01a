"""Distributions and kernels of every rule, made in float32 or float64, and what they are."""

from collections.abc import Callable

import numpy as np
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from tests.mmd.oracles import Law

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels

A, W = 1.1, 0.7
_ROOT3, _ROOT5 = np.sqrt(3.0), np.sqrt(5.0)


def _kernel(name: str, **parameters: float) -> Callable:
    return lambda dtype: getattr(psd_kernels, name)(
        **{key: np.array(value, dtype) for key, value in parameters.items()}
    )


def _scaled(name: str, **more: float) -> Callable:
    return _kernel(name, amplitude=A, length_scale=W, **more)


def _gaussian(r):
    return A**2 * np.exp(-((r / W) ** 2) / 2.0)


def _rational(r):
    return A**2 * (1.0 + (r / W) ** 2 / 2.6) ** -1.3


def _matern_three_halves(r):
    return A**2 * (1.0 + _ROOT3 * r / W) * np.exp(-_ROOT3 * r / W)


def _matern_five_halves(r):
    return A**2 * (1.0 + _ROOT5 * r / W + 5.0 * (r / W) ** 2 / 3.0) * np.exp(-_ROOT5 * r / W)


def _both(combine: Callable, *makes: Callable) -> Callable:
    return lambda dtype: combine(*(make(dtype) for make in makes))


_RATIONAL = _scaled("RationalQuadratic", scale_mixture_rate=1.3)
# Each beside the same as a function of the distance.
KERNELS = {
    "ExponentiatedQuadratic": (_scaled("ExponentiatedQuadratic"), _gaussian),
    "RationalQuadratic": (_RATIONAL, _rational),
    "MaternOneHalf": (_scaled("MaternOneHalf"), lambda r: A**2 * np.exp(-r / W)),
    "MaternThreeHalves": (_scaled("MaternThreeHalves"), _matern_three_halves),
    "MaternFiveHalves": (_scaled("MaternFiveHalves"), _matern_five_halves),
    "GeneralizedMatern": (_scaled("GeneralizedMatern", df=2.5), _matern_five_halves),
    "sum": (
        _both(
            lambda a, b, c: a + b + a + c,
            _scaled("MaternThreeHalves"),
            _RATIONAL,
            _scaled("ExponentiatedQuadratic"),
        ),
        lambda r: 2.0 * _matern_three_halves(r) + _rational(r) + _gaussian(r),
    ),
    "product": (
        _both(
            lambda a, b: a * b,
            _RATIONAL,
            _kernel("ExponentiatedQuadratic", inverse_length_scale=0.5),
        ),
        lambda r: _rational(r) * np.exp(-(r**2) / 8.0),
    ),
}

_FINE = np.arange(-9.0, 9.1, 1.5)
_WIDE = np.arange(-24.0, 25.0, 1.5)


def _edges(edges: np.ndarray, *kinks: float) -> tuple[float, ...]:
    return tuple(np.unique([*edges, *kinks]))


# Scalar distributions of any parameters, and their densities.
LAWS = {
    "Normal": (
        lambda loc, scale: tfd.Normal(loc, scale),
        lambda loc, scale: Law(scipy.stats.norm(loc, scale).pdf, _edges(_FINE)),
    ),
    "Laplace": (
        lambda loc, scale: tfd.Laplace(loc, scale),
        lambda loc, scale: Law(
            scipy.stats.laplace(loc, scale).pdf, _edges(_WIDE, loc), kinks=(loc,)
        ),
    ),
    "StudentT": (
        lambda loc, scale: tfd.StudentT(tf.constant(5.0, tf.as_dtype(loc.dtype)), loc, scale),
        lambda loc, scale: Law(
            scipy.stats.t(5.0, loc, scale).pdf, _edges(np.sinh(np.linspace(-7.0, 7.0, 25)))
        ),
    ),
    "Uniform": (
        lambda loc, scale: tfd.Uniform(loc, loc + scale),
        lambda loc, scale: Law(
            scipy.stats.uniform(loc, scale).pdf,
            (loc, loc + scale / 2.0, loc + scale),
            kinks=(loc, loc + scale),
        ),
    ),
}
