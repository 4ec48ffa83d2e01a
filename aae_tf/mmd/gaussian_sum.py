"""Sums of Gaussian kernels of equal height."""

import functools
import operator
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.types import Kernel


def gaussian_sum(widths: Sequence[float], dtype: tf.DType) -> Kernel:
    """Makes k(x, y) = (1/m) sum_j exp(-|x - y|^2 / (2 widths[j]^2)), so that k(x, x) = 1.

    Args:
        widths: m positive numbers, at least one, in the unit of the points.
        dtype: float32 or float64, the dtype of the kernel's parameters.

    Returns:
        Sum of `ExponentiatedQuadratic` kernels, in the order of `widths`, or the only one.

    Example:

    >>> kernel = gaussian_sum([1.0, 2.0], tf.float32)
    >>> [float(term.length_scale) for term in kernel.kernels]
    [1.0, 2.0]
    """
    to_dtype = tf.as_dtype(dtype).as_numpy_dtype
    amplitude = to_dtype(len(widths) ** -0.5)
    return functools.reduce(
        operator.add,
        [
            tfp.math.psd_kernels.ExponentiatedQuadratic(amplitude, np.asarray(width, to_dtype)[()])
            for width in widths
        ],
    )
