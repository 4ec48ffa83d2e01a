"""Gaussian kernels, their sums and products, and kernels that are averages of them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.arguments import GaussianKernel, Kernel
from aae_tf.mmd.integrals import gamma_quadrature
from aae_tf.mmd.registry import instance_class

psd_kernels = tfp.math.psd_kernels

ExponentiatedQuadratic = tfp.math.psd_kernels.ExponentiatedQuadratic


# The classes of `kernel + kernel` and `kernel * kernel` have no public names in TensorFlow
# Probability.
SumKernel: Any = type(ExponentiatedQuadratic() + ExponentiatedQuadratic())
ProductKernel: Any = type(ExponentiatedQuadratic() * ExponentiatedQuadratic())


def terms_of(kernel: Kernel) -> list[Kernel]:
    """Returns the terms of a sum of kernels; TensorFlow Probability flattens nested sums.

    Args:
        kernel: any kernel.

    Returns:
        List of kernels; `[kernel]` if it is no sum.
    """
    is_sum = isinstance(kernel, instance_class(SumKernel))
    return list(kernel.kernels) if is_sum else [kernel]


def stack_gaussians(
    kernels: Sequence[Kernel],
) -> tuple[GaussianKernel | None, list[Kernel]]:
    """Stacks the Gaussian kernels among the terms of a sum into one batch.

    Args:
        kernels: kernels of batch shape [].

    Returns:
        A Gaussian kernel of batch shape [m], None if m is zero, and the list of the others.

    Raises:
        ValueError: if a parameter of a Gaussian kernel is known and not positive.
    """
    gaussians = [kernel for kernel in kernels if isinstance(kernel, ExponentiatedQuadratic)]
    others = [kernel for kernel in kernels if not isinstance(kernel, ExponentiatedQuadratic)]
    if not gaussians:
        return None, others
    amplitudes, widths = zip(*map(_amplitude_and_width, gaussians), strict=True)
    return ExponentiatedQuadratic(tf.stack(amplitudes), tf.stack(widths)), others


def heights_and_widths(kernel: Kernel) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns log k(x, x) and the squared width of a kernel with amplitude and length scale.

    Args:
        kernel: Gaussian, rational quadratic or Matern kernel, possibly a batch; height is
            amplitude^2, squared_width is length_scale^2.

    Returns:
        log(height) and squared_width, float64, each of shape kernel.batch_shape.

    Raises:
        ValueError: if a parameter is known and not positive.
    """
    amplitude, width = _amplitude_and_width(kernel)
    shape = kernel.batch_shape
    return (
        tf.broadcast_to(2.0 * tf.math.log(amplitude), shape),
        tf.broadcast_to(tf.square(width), shape),
    )


def _amplitude_and_width(kernel: Kernel) -> tuple[tf.Tensor, tf.Tensor]:
    amplitude = positive("amplitude", kernel.amplitude)
    if kernel.inverse_length_scale is None:
        return amplitude, positive("length_scale", kernel.length_scale)
    return amplitude, 1.0 / positive("inverse_length_scale", kernel.inverse_length_scale)


def positive(name: str, value: tf.Tensor | tf.Variable | None) -> tf.Tensor:
    """Returns a parameter of a kernel in float64, 1 for None; a known value must be positive."""
    value = tf.cast(1.0 if value is None else value, tf.float64)
    known = tf.get_static_value(value)
    if known is not None and not np.all(known > 0.0):
        raise ValueError(
            f"Expected `kernel` to have a positive {name}. Received: kernel.{name}={known}."
        )
    return value


_SUM: Any = instance_class(SumKernel)
_PRODUCT: Any = instance_class(ProductKernel)
MATERN_ORDERS = {
    psd_kernels.MaternOneHalf: 0.5,
    psd_kernels.MaternThreeHalves: 1.5,
    psd_kernels.MaternFiveHalves: 2.5,
}


def as_gaussians(kernel: Kernel) -> GaussianKernel | None:
    """Expands a kernel into a sum of Gaussian kernels, with a bound on the error.

    With G ~ Gamma(a, a), of mean 1, and r = |x - y| / length_scale,

        rational quadratic  (1 + r^2 / (2 a))^(-a) = E exp(-r^2 G / 2),  a = scale_mixture_rate
        Matern of order a   k_a(r)                 = E exp(-r^2 / (2 G))

    in any dimension; the inverse multiquadratic kernel C / (C + |x - y|^2) is the rational
    quadratic one with a = 1 and length_scale^2 = C / 2. `gamma_quadrature` turns the average into
    a sum. For orders and rates from 0.05 to 1e6 the error of the sum is below 1e-8 k(x, x) at any
    distance, and so is the error of its average under any distribution. Sums and products of such
    kernels are expanded too: in a product the exponents add up, and 56 terms times 56 terms make
    3136.

    Args:
        kernel: kernel of batch shape [].

    Returns:
        Gaussian kernel of batch shape [m], one member per term of the sum, in float64; None if
        `kernel` is none of these.

    Raises:
        ValueError: if a parameter is known and not positive, or `scale_mixture_rate` or `df` is
            not from 0.05 to 1e6 or not known when the graph is built: the number of terms
            depends on it.

    References:
        Rasmussen and Williams 2006, *Gaussian Processes for Machine Learning*, equation 4.20, for
        the first formula; the second is the characteristic function of Student's distribution,
        whose variance is the inverse of a gamma variable.
    """
    terms = _terms(kernel)
    if terms is None:
        return None
    log_heights, precisions = terms
    return psd_kernels.ExponentiatedQuadratic(
        tf.exp(0.5 * log_heights), inverse_length_scale=tf.sqrt(precisions)
    )


def matern_order(kernel: Kernel) -> float | None:
    """Returns the order of a Matern kernel, and None for any other kernel."""
    if isinstance(kernel, psd_kernels.GeneralizedMatern):
        return _static_parameter("df", kernel.df)
    return next((order for kind, order in MATERN_ORDERS.items() if isinstance(kernel, kind)), None)


def _terms(kernel: Kernel) -> tuple[tf.Tensor, tf.Tensor] | None:
    """Returns log(height) [m] and 1 / width^2 [m], float64."""
    if isinstance(kernel, _SUM):
        parts = [_terms(part) for part in kernel.kernels]
        gaussians = [part for part in parts if part is not None]
        if len(gaussians) < len(parts):
            return None
        log_heights, precisions = zip(*gaussians, strict=True)
        return tf.concat(log_heights, axis=0), tf.concat(precisions, axis=0)
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
            np.array(_static_parameter("scale_mixture_rate", kernel.scale_mixture_rate))
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


def _static_parameter(name: str, value: tf.Tensor | None) -> float:
    known = tf.get_static_value(positive(name, value))
    if known is None or not math.isfinite(float(known)):
        raise ValueError(
            f"Expected `kernel` to have a finite {name} that is known when the graph is built. "
            f"Received: kernel.{name}={value!r}."
        )
    return float(known)
