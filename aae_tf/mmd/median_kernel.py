"""Gaussian kernels whose widths follow the median distance of samples."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from scipy.spatial import distance

from aae_tf.checks import check_positive
from aae_tf.mmd.arguments import check_points
from aae_tf.mmd.gaussian_sum import gaussian_sum
from aae_tf.mmd.types import Kernel

_MAX_ROWS = 1000


def median_kernel(samples: tf.Tensor, factors: Sequence[float] = (1.0,)) -> Kernel:
    """Makes Gaussian kernels as wide as `samples` are far apart: the median heuristic.

    length_scale = factor * median{ |x_i - x_j| : i < j, x_i != x_j },  one for each factor,
    in k(x, y) = (1/m) sum_j exp(-|x - y|^2 / (2 length_scale_j^2)).

    The factor is on the distance itself. Some authors take the square root of half the median
    squared distance, which is factor 1 / sqrt(2), or write exp(-|x - y|^2 / length_scale^2),
    which is the same kernel. Pairs that coincide do not count, so that repeated rows cannot make
    the median zero.

    The width is that of the whole sample: one factor of 1 hardly sees structure that is much
    finer, such as the components of a mixture. Where there is any, add factors below 1, or use
    `default_kernel`, whose widths are chosen for coarse and fine together.

    Args:
        samples: float32 or float64 [n, d], n >= 2, known values: call outside a `tf.function`. Of
            more than 1,000 rows, 1,000 evenly spaced ones are used: for Gaussian samples their
            median has a standard error of 2 % in one dimension and of 0.7 % in eight. Samples of
            the prior make a kernel that stays right while the codes move.
        factors: positive numbers, at least one: the widths in units of the median distance.

    Returns:
        Sum of `ExponentiatedQuadratic` kernels of equal amplitude (or the only one), with
        k(x, x) = 1, in the dtype of `samples`.

    Raises:
        TypeError: if `samples` are not float32 or float64, or not known, or a factor is no number.
        ValueError: if `samples` have another shape, fewer than two rows, values that are not
            finite or no two rows that differ, or a factor is not positive.

    Example:

    >>> samples = np.random.default_rng(0).normal(size=[500, 8])
    >>> kernel = median_kernel(samples, factors=(0.5, 1.0))
    >>> [round(float(term.length_scale), 1) for term in kernel.kernels]
    [1.9, 3.8]

    References:
        Gretton et al. 2012, section 8; Garreau et al. 2017, *Large sample analysis of the median
        heuristic*, arXiv:1707.07269.
    """
    if not isinstance(factors, Sequence) or isinstance(factors, str) or not factors:
        raise ValueError(
            "Expected `factors` to be a sequence of positive numbers, at least one. "
            f"Received: factors={factors!r}."
        )
    factors = [check_positive("factors", factor) for factor in factors]
    points = check_points("samples", samples)
    known = tf.get_static_value(points)
    if known is None:
        raise TypeError(
            "Expected `samples` to be known values: make the kernel outside a `tf.function`. "
            f"Received: samples={samples!r}."
        )
    if len(known) < 2:
        raise ValueError(
            f"Expected `samples` to have at least 2 rows. Received: samples.shape={known.shape}."
        )
    if len(known) > _MAX_ROWS:
        known = known[np.linspace(0, len(known) - 1, _MAX_ROWS).astype(int)]
    distances = distance.pdist(known.astype(np.float64))
    distances = distances[distances > 0.0]
    if not distances.size:
        raise ValueError(
            "Expected `samples` to have rows that differ. "
            f"Received: samples whose {len(known)} rows used are all {known[0]}."
        )
    median = float(np.median(distances))
    return gaussian_sum([factor * median for factor in factors], points.dtype)
