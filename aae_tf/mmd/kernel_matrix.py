"""Kernel values between all pairs of points."""

import tensorflow as tf

from aae_tf.mmd.constants import constant, lift
from aae_tf.mmd.gaussian_kernels import heights_and_widths, stack_gaussians, terms_of
from aae_tf.mmd.types import Kernel


def kernel_matrix(kernel: Kernel, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Computes k(x_i, y_j) for all pairs; the Gaussian kernels of a sum share their distances.

    Args:
        kernel: kernel of batch shape [].
        x: float32 or float64 [n, d].
        y: of the same dtype, [m, d].

    Returns:
        Tensor [n, m] of the same dtype.
    """
    gaussians, others = lift(lambda: stack_gaussians(terms_of(kernel)), kernel)
    values = [other.matrix(x, y) for other in others]
    if gaussians is not None:
        log_heights, squared_widths = lift(lambda: heights_and_widths(gaussians), gaussians)
        distances = squared_distances(x, y)
        # One pass per width is faster than a [width, n, m] stack, which falls out of the cache.
        values += [
            tf.exp(log_height - distances / (2.0 * squared_width))
            for log_height, squared_width in zip(
                tf.unstack(constant(log_heights, x.dtype)),
                tf.unstack(constant(squared_widths, x.dtype)),
                strict=True,
            )
        ]
    return tf.add_n(values)


def squared_distances(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Computes |x_i - y_j|^2 for all pairs by one matrix product in float64.

    |x|^2 + |y|^2 - 2 x'y cancels where points are close and far from the origin. In float32 this
    would lose up to all digits of a narrow kernel; in float64 it leaves more digits than float32
    can hold and, up to some hundred dimensions, costs what it costs in float32: the exponentials
    of the kernel outweigh it. Differences of all pairs [n, m, d] are as accurate but slower.

    Args:
        x: float32 or float64 [n, d].
        y: of the same dtype, [m, d].

    Returns:
        Tensor [n, m] of the same dtype. Rounding can leave coincident points at +-1e-16 |x|^2,
        unclipped: a clip's gradient would be wrong there, and exp does not mind.
    """
    x64, y64 = tf.cast(x, tf.float64), tf.cast(y, tf.float64)
    return tf.cast(
        tf.reduce_sum(tf.square(x64), axis=1)[:, tf.newaxis]
        + tf.reduce_sum(tf.square(y64), axis=1)
        - 2.0 * tf.matmul(x64, y64, transpose_b=True),
        x.dtype,
    )
