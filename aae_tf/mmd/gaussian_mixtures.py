"""Kernels that are averages of Gaussian kernels over their widths."""

import math
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.gamma_quadrature import gamma_quadrature
from aae_tf.mmd.gaussian_kernels import ProductKernel, SumKernel, heights_and_widths, positive
from aae_tf.mmd.registry import instance_class
from aae_tf.mmd.types import GaussianKernel, Kernel

psd_kernels = tfp.math.psd_kernels

_SUM: Any = instance_class(SumKernel)
_PRODUCT: Any = instance_class(ProductKernel)
MATERN_ORDERS = {
    psd_kernels.MaternOneHalf: 0.5,
    psd_kernels.MaternThreeHalves: 1.5,
    psd_kernels.MaternFiveHalves: 2.5,
}


def as_gaussians(kernel: Kernel) -> GaussianKernel | None:
    """Writes a kernel as a sum of Gaussian kernels, to a certified accuracy.

    With G ~ Gamma(a, a), of mean 1, and r = |x - y| / length_scale,

        rational quadratic  (1 + r^2 / (2 a))^(-a) = E exp(-r^2 G / 2),  a = scale_mixture_rate
        Matern of order a   k_a(r)                 = E exp(-r^2 / (2 G))

    in any dimension; the inverse multiquadratic kernel C / (C + |x - y|^2) is the rational
    quadratic one with a = 1 and length_scale^2 = C / 2. `gamma_quadrature` turns the average into
    a sum, which for orders and rates from 0.05 to 1e6 is off by less than 1e-8 of k(x, x) at any
    distance, and so is its average under any distribution. Sums of such kernels are sums again,
    and products too: exponents add up, and the product of 56 terms and 56 terms has 3136.

    Args:
        kernel: kernel of batch shape [].

    Returns:
        Gaussian kernel of batch shape [m], one member per term of the sum, in float64; None if
        `kernel` is no such average.

    Raises:
        ValueError: if a parameter is known and not positive, or `scale_mixture_rate` or `df` is
            not from 0.05 to 1e6 or not known when the graph is built: the number of terms
            depends on it.

    References:
        Rasmussen and Williams 2006, *Gaussian Processes for Machine Learning*, equation 4.20, for
        the first; the second is the characteristic function of Student's distribution, whose
        variance is the inverse of a gamma variable.
    """
    terms = _terms(kernel)
    if terms is None:
        return None
    log_heights, precisions = terms
    return psd_kernels.ExponentiatedQuadratic(
        tf.exp(0.5 * log_heights), inverse_length_scale=tf.sqrt(precisions)
    )


def matern_order(kernel: Kernel) -> float | None:
    """Returns the order of a Matern kernel, None for any other kernel."""
    if isinstance(kernel, psd_kernels.GeneralizedMatern):
        return _known("df", kernel.df)
    return next((order for kind, order in MATERN_ORDERS.items() if isinstance(kernel, kind)), None)


def _terms(kernel: Kernel) -> tuple[tf.Tensor, tf.Tensor] | None:
    """Returns log(height) [m] and 1 / width^2 [m], float64."""
    if isinstance(kernel, _SUM):
        parts = [_terms(part) for part in kernel.kernels]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        heights, precisions = zip(*known, strict=True)
        return tf.concat(heights, axis=0), tf.concat(precisions, axis=0)
    if isinstance(kernel, _PRODUCT):
        parts = [_terms(part) for part in kernel.kernels]
        return None if None in parts else _product(parts)
    if isinstance(kernel, psd_kernels.ExponentiatedQuadratic):
        log_height, squared_width = heights_and_widths(kernel)
        return log_height[tf.newaxis], 1.0 / squared_width[tf.newaxis]
    order = matern_order(kernel)
    if order is not None:
        nodes, weights = gamma_quadrature(np.array(order))
        return _averaged(kernel, weights, 1.0 / nodes)
    if isinstance(kernel, psd_kernels.RationalQuadratic):
        nodes, weights = gamma_quadrature(
            np.array(_known("scale_mixture_rate", kernel.scale_mixture_rate))
        )
        return _averaged(kernel, weights, nodes)
    return None


def _product(parts: list) -> tuple[tf.Tensor, tf.Tensor]:
    log_heights, precisions = parts[0]
    for more_heights, more_precisions in parts[1:]:
        log_heights = tf.reshape(log_heights[:, tf.newaxis] + more_heights, [-1])
        precisions = tf.reshape(precisions[:, tf.newaxis] + more_precisions, [-1])
    return log_heights, precisions


def _averaged(
    kernel: Kernel, weights: np.ndarray, precisions: np.ndarray
) -> tuple[tf.Tensor, tf.Tensor]:
    log_height, squared_width = heights_and_widths(kernel)
    return log_height + np.log(weights), precisions / squared_width


def _known(name: str, value: tf.Tensor | None) -> float:
    known = tf.get_static_value(positive(name, value))
    if known is None or not math.isfinite(float(known)):
        raise ValueError(
            f"Expected `kernel` to have a finite {name} that is known when the graph is built. "
            f"Received: kernel.{name}={value!r}."
        )
    return float(known)
