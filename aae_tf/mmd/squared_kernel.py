"""The square of a kernel, which is a kernel again."""

import functools
import itertools
import operator

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.gaussian_kernels import heights_and_widths, stack_gaussians, terms_of
from aae_tf.mmd.types import Kernel


def squared_kernel(kernel: Kernel) -> Kernel | None:
    """Makes the kernel k(x, y)^2 of a Gaussian kernel or a sum of them: a sum of their products.

        h_a exp(-r^2 / (2 s_a)) h_b exp(-r^2 / (2 s_b)) = h_a h_b exp(-r^2 (1/s_a + 1/s_b) / 2)

    Args:
        kernel: kernel of batch shape [], whose parameters are known values.

    Returns:
        Sum of Gaussian kernels in float64 (or the only one), each pair a < b counted twice; None
        if a term of `kernel` is no Gaussian.

    Raises:
        ValueError: if a parameter of a Gaussian kernel is not positive.
    """
    gaussians, others = stack_gaussians(terms_of(kernel))
    if gaussians is None or others:
        return None
    log_heights, squared_widths = heights_and_widths(gaussians)
    terms = list(zip(tf.unstack(log_heights), tf.unstack(squared_widths), strict=True))
    return functools.reduce(
        operator.add,
        [
            tfp.math.psd_kernels.ExponentiatedQuadratic(
                tf.exp(0.5 * (log_height + other_height)) * (1.0 if a == b else 2.0**0.5),
                tf.math.rsqrt(1.0 / squared_width + 1.0 / other_width),
            )
            for (a, (log_height, squared_width)), (b, (other_height, other_width)) in (
                itertools.combinations_with_replacement(enumerate(terms), 2)
            )
        ],
    )
