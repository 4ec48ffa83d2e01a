"""Kernels whose widths follow a distribution."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import optimize
from scipy.spatial import distance

from aae_tf.mmd.arguments import check_distribution
from aae_tf.mmd.gaussian_sum import gaussian_sum
from aae_tf.mmd.types import Distribution, Kernel

_NUM_SAMPLES = 512
_SIMILARITIES = (1 / 2, 1 / 8, 1 / 32, 1 / 128)
# Any two classes are equally far apart: there is nothing finer to see.
_SIMILARITIES_OF_CLASSES = (1 / 2,)


def default_kernel(
    distribution: Distribution,
    similarities: Sequence[float] | None = None,
    seed: int = 0,
) -> Kernel:
    """Makes a sum of Gaussian kernels from coarse to fine, as wide as `distribution` asks for.

    A kernel under which all draws look alike, or none, sees nothing. So a width is chosen by what
    it makes of two independent draws X and Y that differ: E k(X, Y) = q for every q in
    `similarities`. Each width then sees structure that about a fraction q of all pairs share. The
    widest compares the whole (the ring of a ring mixture), the narrowest what happens within a
    few hundredths of the mass (the shape of its components). Widths are multiples of the scale of
    the distribution, and they draw together in many dimensions, where all pairs are about equally
    far apart. For N(0, I) in d dimensions, width^2 = 2 / (q^(-2/d) - 1):

        d     root-mean-square distance of pairs   widths
        2     2                                    1.4, 0.53, 0.25, 0.13
        8     4                                    3.2, 1.7, 1.2, 0.92
        128   16                                   14, 7.8, 6.0, 5.0

    A single width at that distance, a usual choice, hardly tells a ring from the Gaussian of the
    same covariance, nor N(0, I) from a Gaussian of another scale in many dimensions. On both,
    these widths are several times as sensitive; on a shift of the mean, half as sensitive in one
    dimension and nearly as sensitive in many.

    For a `tfd.OneHotCategorical` one wide kernel is better, width^2 = 1 / log 2 for q = 1/2.
    Narrow ones make every corner of the simplex a trap: class probabilities that have once become
    one-hot vectors feel nothing of the other corners, so wrong frequencies stay wrong. (Measured
    with 10 and 30 classes, from five starts: the wide kernel leaves about half the error in the
    frequencies, and the probabilities become one-hot vectors as fast.)

    Args:
        distribution: `tfd.Distribution` with event_shape [d] and batch_shape [] that can be
            sampled; any, with or without a mean. Its parameters are known values: make the
            kernel outside a `tf.function`.
        similarities: one q in (0, 1) per width. None takes 1/2, 1/8, 1/32 and 1/128: in a batch
            of about 100 there are still some forty pairs of the last similarity. For a
            `tfd.OneHotCategorical` it takes 1/2 alone.
        seed: integer that fixes the 512 draws from which E k is estimated.

    Returns:
        Sum of `ExponentiatedQuadratic` kernels of equal amplitude (or the only one), with
        k(x, x) = 1.

    Raises:
        TypeError: if `distribution` is no distribution.
        ValueError: if its shapes are others, all its draws coincide or some are not finite, or a
            similarity is not in (0, 1).

    Example:

    >>> normal = tfp.distributions.Sample(tfp.distributions.Normal(0.0, 5.0), 8)
    >>> kernel = default_kernel(normal)
    >>> [round(float(term.length_scale)) for term in kernel.kernels]
    [16, 9, 6, 5]

    References:
        Sums over widths: Li et al. 2015 (GMMN), section 3; the choice of the widths is our own.
    """
    check_distribution(distribution)
    if similarities is None:
        is_class = isinstance(distribution, tfp.distributions.OneHotCategorical)
        similarities = _SIMILARITIES_OF_CLASSES if is_class else _SIMILARITIES
    if not similarities or not all(0.0 < similarity < 1.0 for similarity in similarities):
        raise ValueError(
            "Expected `similarities` to be numbers in (0, 1), at least one. "
            f"Received: similarities={similarities!r}."
        )
    with tf.init_scope():
        draws = distribution.sample(_NUM_SAMPLES, seed=[0, seed])
    distances = distance.pdist(tf.cast(draws, tf.float64).numpy(), "sqeuclidean")
    distances = distances[distances != 0.0]
    if not distances.size or not np.isfinite(distances).all():
        raise ValueError(
            "Expected `distribution` to draw finite points that differ. "
            f"Received: distribution={distribution!r}."
        )
    dtype = tf.float64 if distribution.dtype == tf.float64 else tf.float32
    return gaussian_sum([_width(distances, similarity) for similarity in similarities], dtype)


def _width(squared_distances: np.ndarray, similarity: float) -> float:
    """Solves mean(exp(-squared_distances / (2 width^2))) = similarity."""
    # If all pairs were as far apart as the closest or the farthest, these were the answers.
    closest, farthest = 0.5 * np.log(
        np.array([squared_distances.min(), squared_distances.max()]) / (-2.0 * np.log(similarity))
    )

    def excess(log_width: float) -> float:
        return np.exp(-0.5 * squared_distances * np.exp(-2.0 * log_width)).mean() - similarity

    return float(np.exp(optimize.brentq(excess, closest - 0.1, farthest + 0.1, xtol=1e-6)))
