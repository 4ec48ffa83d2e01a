"""Statistics of random signs and of random splits, many at a time."""

from collections.abc import Callable

import tensorflow as tf

from aae_tf.checks import check_dimension, check_integer
from aae_tf.mmd.mmd_test_result import MMDTestResult

# Rows of random numbers at a time: beside the matrix, memory stays below some rows of it.
_CHUNK = 256
# Of the largest statistic. Ties, which samples of few values give, must count in spite of rounding.
_ROUNDING = 1e-9

Draw = Callable[[int, tf.Tensor], tf.Tensor]


def check_resampling(argument: str, count: int, seed: int) -> None:
    """Raises unless `count` is a positive integer and `seed` an integer of 31 bits."""
    check_dimension(argument, count)
    check_integer("seed", seed, maximum=2**31 - 1)


def wild_bootstrap(values: tf.Tensor, count: int, seed: int) -> MMDTestResult:
    """Tests whether the average of h over pairs is larger than random signs make it.

        statistic  sum_{i != j} h_ij / (n(n-1))
        bootstrap  sum_{i != j} e_i e_j h_ij / (n(n-1)), e_i = +-1 at random

    Args:
        values: [n, n], h, with zeros on the diagonal.
        count: number of random signs for each sample.
        seed: integer that fixes them.

    Returns:
        Result in the dtype of `values`.
    """
    matrix = tf.cast(values, tf.float64)
    size = tf.shape(matrix)[0]
    num_pairs = tf.cast(size * (size - 1), tf.float64)

    def draw(rows: int, chunk_seed: tf.Tensor) -> tf.Tensor:
        bits = tf.random.stateless_uniform([rows, size], chunk_seed, 0, 2, tf.int32)
        signs = tf.cast(2 * bits - 1, tf.float64)
        return _quadratic_forms(matrix, signs) / num_pairs

    return _compare(tf.reduce_sum(matrix) / num_pairs, draw, count, seed, values.dtype)


def random_splits(values: tf.Tensor, first: tf.Tensor, count: int, seed: int) -> MMDTestResult:
    """Tests whether the two-sample MMD^2 is larger than random splits of the pool make it.

    Args:
        values: [n + m, n + m], kernel values of the pool, with zeros on the diagonal.
        first: integer, n: the first rows are one sample and the others the other.
        count: number of random splits into n and m.
        seed: integer that fixes them.

    Returns:
        Result in the dtype of `values`.
    """
    matrix = tf.cast(values, tf.float64)
    size = tf.shape(matrix)[0]
    n, m = tf.cast(first, tf.float64), tf.cast(size - first, tf.float64)
    sums = tf.reduce_sum(matrix, axis=1)
    total = tf.reduce_sum(sums)

    def statistics(members: tf.Tensor) -> tf.Tensor:
        # All three averages follow from the sums within the first part and over its rows.
        within, rows = _quadratic_forms(matrix, members), tf.linalg.matvec(members, sums)
        across, others = rows - within, total - 2.0 * rows + within
        return within / (n * (n - 1.0)) - 2.0 * across / (n * m) + others / (m * (m - 1.0))

    def draw(rows: int, chunk_seed: tf.Tensor) -> tf.Tensor:
        order = tf.argsort(tf.random.stateless_uniform([rows, size], chunk_seed), axis=1)
        return statistics(tf.cast(order < first, tf.float64))

    given = tf.cast(tf.range(size) < first, tf.float64)[tf.newaxis]
    return _compare(statistics(given)[0], draw, count, seed, values.dtype)


def _quadratic_forms(matrix: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.matmul(rows, matrix) * rows, axis=1)


def _compare(
    statistic: tf.Tensor, draw: Draw, count: int, seed: int, dtype: tf.DType
) -> MMDTestResult:
    draws = tf.concat(
        [
            draw(min(_CHUNK, count - start), tf.constant([start, seed]))
            for start in range(0, count, _CHUNK)
        ],
        axis=0,
    )
    tolerance = _ROUNDING * tf.reduce_max(tf.abs(draws))
    exceeded = tf.reduce_sum(tf.cast(draws >= statistic - tolerance, tf.float64))
    p_value = (1.0 + exceeded) / (count + 1.0)
    return MMDTestResult(tf.cast(statistic, dtype), tf.cast(p_value, dtype))
