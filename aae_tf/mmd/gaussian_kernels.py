"""Gaussian kernels and their sums, as heights and widths."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.registry import instance_class
from aae_tf.mmd.types import GaussianKernel, Kernel

ExponentiatedQuadratic = tfp.math.psd_kernels.ExponentiatedQuadratic


# The classes of `kernel + kernel` and `kernel * kernel`, to which TensorFlow Probability gives no
# public names.
SumKernel: Any = type(ExponentiatedQuadratic() + ExponentiatedQuadratic())
ProductKernel: Any = type(ExponentiatedQuadratic() * ExponentiatedQuadratic())


def terms_of(kernel: Kernel) -> list[Kernel]:
    """Returns the terms of a sum, whose own sums TensorFlow Probability has flattened.

    Args:
        kernel: any kernel.

    Returns:
        List of kernels; only `kernel` if it is no sum.
    """
    is_sum = isinstance(kernel, instance_class(SumKernel))
    return list(kernel.kernels) if is_sum else [kernel]


def stack_gaussians(
    kernels: Sequence[Kernel],
) -> tuple[GaussianKernel | None, list[Kernel]]:
    """Gathers the Gaussian kernels among the terms of a sum into one batch.

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
    """Reads k(x, x) and the squared width off a kernel with an amplitude and a length scale.

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
    """Returns a parameter of a kernel in float64, 1 for None; a known one must be positive."""
    value = tf.cast(1.0 if value is None else value, tf.float64)
    known = tf.get_static_value(value)
    if known is not None and not np.all(known > 0.0):
        raise ValueError(
            f"Expected `kernel` to have a positive {name}. Received: kernel.{name}={known}."
        )
    return value
