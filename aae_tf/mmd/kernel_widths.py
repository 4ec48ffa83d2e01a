"""Gaussian kernels whose widths are chosen for a distribution or for samples."""

import functools
import operator
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import optimize
from scipy.spatial import distance

from aae_tf.checks import check_positive
from aae_tf.mmd.arguments import Distribution, Kernel, check_distribution, check_points

_NUM_SAMPLES = 512
_SIMILARITIES = (1 / 2, 1 / 8, 1 / 32, 1 / 128)
# One width suffices for classes: any two of them are equally far apart.
_SIMILARITIES_OF_CLASSES = (1 / 2,)


def default_kernel(
    distribution: Distribution,
    similarities: Sequence[float] | None = None,
    seed: int = 0,
) -> Kernel:
    """Makes a sum of Gaussian kernels from wide to narrow, with widths chosen for `distribution`.

    A kernel that is almost constant over the draws of a distribution cannot tell it from another,
    and neither can one that is almost zero between any two draws. Each width is therefore chosen
    such that two independent draws X and Y that differ have the similarity E k(X, Y) = q, for every
    q in `similarities`. A width of similarity q resolves structure on the scale of a fraction q of
    all pairs: the widest kernel the whole (the ring of a ring mixture), the narrowest a few
    hundredths of the mass (the shape of its components). Widths scale with the distribution, and
    differ less in many dimensions, where all pairs are about equally far apart. For N(0, I) in d
    dimensions, width^2 = 2 / (q^(-2/d) - 1):

        d     root-mean-square distance of pairs   widths
        2     2                                    1.4, 0.53, 0.25, 0.13
        8     4                                    3.2, 1.7, 1.2, 0.92
        128   16                                   14, 7.8, 6.0, 5.0

    A single width at that distance, a usual choice, hardly tells a ring from the Gaussian of the
    same covariance, nor N(0, I) from a Gaussian of another scale in many dimensions. For both, the
    default widths are several times as sensitive; for a shift of the mean, half as sensitive in one
    dimension and nearly as sensitive in many.

    For a `tfd.OneHotCategorical` one wide kernel is better, width^2 = 1 / log 2 for q = 1/2. Under
    narrow kernels, class probabilities that have become one-hot vectors get no gradient towards
    other classes, so that wrong class frequencies stay wrong. (Measured with 10 and 30 classes,
    from five starts: the wide kernel leaves about half the error in the frequencies, and the
    probabilities become one-hot vectors as fast.)

    Args:
        distribution: `tfd.Distribution` with event_shape [d] and batch_shape [] that can be
            sampled, with or without a mean. Its parameters are known values: make the kernel
            outside a `tf.function`.
        similarities: one q in (0, 1) per width. None takes 1/2, 1/8, 1/32 and 1/128, and 1/2 alone
            for a `tfd.OneHotCategorical`. A batch of about 100 has some forty pairs within the
            narrowest of these widths.
        seed: integer that fixes the 512 draws from which E k is estimated.

    Returns:
        Sum of `ExponentiatedQuadratic` kernels of equal amplitude (or the only one), with
        k(x, x) = 1.

    Raises:
        TypeError: if `distribution` is no distribution.
        ValueError: if it has other shapes, all its draws are equal or some are not finite, or a
            similarity is not in (0, 1).

    Example:

    >>> normal = tfp.distributions.Sample(tfp.distributions.Normal(0.0, 5.0), 8)
    >>> kernel = default_kernel(normal)
    >>> [round(float(term.length_scale)) for term in kernel.kernels]
    [16, 9, 6, 5]

    References:
        Li et al. 2015 (GMMN), section 3, for sums over widths. Differs: the choice of the widths.
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
    points = tf.cast(draws, tf.float64).numpy()
    widths = _widths(points.tobytes(), points.shape, tuple(similarities))
    if not widths:
        raise ValueError(
            "Expected `distribution` to draw finite points that differ. "
            f"Received: distribution={distribution!r}."
        )
    return gaussian_sum(widths, tf.float64 if distribution.dtype == tf.float64 else tf.float32)


@functools.lru_cache(maxsize=64)
def _widths(
    points: bytes, shape: tuple[int, ...], similarities: tuple[float, ...]
) -> tuple[float, ...]:
    """Computes the widths for float64 `points`; none if they are equal, or some not finite.

    Models of one prior, and those that are loaded or copied, share the result: it takes 0.1 s.
    """
    distances = distance.pdist(np.frombuffer(points).reshape(shape), "sqeuclidean")
    distances = distances[distances != 0.0]
    if not distances.size or not np.isfinite(distances).all():
        return ()
    return tuple(_width(distances, similarity) for similarity in similarities)


def _width(squared_distances: np.ndarray, similarity: float) -> float:
    """Solves mean(exp(-squared_distances / (2 width^2))) = similarity."""
    # The log widths if all pairs were as far apart as the closest pair, or as the farthest.
    low, high = 0.5 * np.log(
        np.array([squared_distances.min(), squared_distances.max()]) / (-2.0 * np.log(similarity))
    )

    def excess(log_width: float) -> float:
        return np.exp(-0.5 * squared_distances * np.exp(-2.0 * log_width)).mean() - similarity

    return float(np.exp(optimize.brentq(excess, low - 0.1, high + 0.1, xtol=1e-6)))


_MAX_ROWS = 1000


def median_kernel(samples: tf.Tensor, factors: Sequence[float] = (1.0,)) -> Kernel:
    """Makes a sum of Gaussian kernels by the median heuristic: widths from distances of samples.

        k(x, y)        = (1/m) sum_j exp(-|x - y|^2 / (2 length_scale_j^2))
        length_scale_j = factors[j] * median{ |x_i - x_k| : i < k, x_i != x_k }

    The factor multiplies the distance itself. Some authors take the square root of half the median
    squared distance, which is factor 1 / sqrt(2), or write exp(-|x - y|^2 / length_scale^2),
    which is the same kernel. Pairs of equal rows do not count, so that repeated rows cannot make
    the median zero.

    The median distance is a scale of the whole sample: a kernel of factor 1 hardly resolves
    structure that is much finer, such as the components of a mixture. For such structure, add
    factors below 1, or use `default_kernel`, whose widths go from coarse to fine.

    Args:
        samples: float32 or float64 [n, d], n >= 2, known values: call outside a `tf.function`. Of
            more than 1,000 rows, 1,000 evenly spaced ones are used: for Gaussian samples their
            median has a standard error of 2 % in one dimension and of 0.7 % in eight. For a kernel
            that fits codes throughout a training, pass samples of the prior.
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
