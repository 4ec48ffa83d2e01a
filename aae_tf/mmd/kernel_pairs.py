"""Kernel values between points that are paired row by row."""

import tensorflow as tf

from aae_tf.mmd.constants import constant, lift
from aae_tf.mmd.gaussian_kernels import heights_and_widths, stack_gaussians, terms_of
from aae_tf.mmd.types import Kernel


def kernel_pairs(kernel: Kernel, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Computes k(x_i, y_i) for every row; see `kernel_matrix` for all pairs.

    Args:
        kernel: kernel of batch shape [].
        x: float32 or float64 [n, d].
        y: of the same dtype and shape.

    Returns:
        Tensor [n] of the same dtype.
    """
    gaussians, others = lift(lambda: stack_gaussians(terms_of(kernel)), kernel)
    values = [other.apply(x, y) for other in others]
    if gaussians is not None:
        log_heights, squared_widths = lift(lambda: heights_and_widths(gaussians), gaussians)
        distances = tf.reduce_sum(tf.math.squared_difference(x, y), axis=1, keepdims=True)
        exponents = distances / (2.0 * constant(squared_widths, x.dtype))
        heights = tf.exp(constant(log_heights, x.dtype) - exponents)
        values.append(tf.reduce_sum(heights, axis=1))
    return tf.add_n(values)
