"""Averages of a kernel over pairs of weighted samples, as every estimator takes them."""

from collections.abc import Callable

import tensorflow as tf

from aae_tf.mmd.arguments import check_weights
from aae_tf.mmd.groups import off_diagonal


def sample_shares(argument: str, weights: tf.Tensor | None, points: tf.Tensor) -> tf.Tensor:
    """Returns weights that sum to one, or to zero if all are zero.

    Args:
        argument: name of the weights, for messages.
        weights: [n], not negative; None counts each sample once.
        points: [n, d].

    Returns:
        Tensor [n] of the dtype of `points`.
    """
    if weights is None:
        count = tf.shape(points)[0]
        return tf.fill([count], 1.0 / tf.cast(count, points.dtype))
    weights = check_weights(argument, weights, points)
    return tf.math.divide_no_nan(weights, tf.reduce_sum(weights))


def average_within(
    estimator: str,
    shares: tf.Tensor,
    all_pairs: Callable[[], tf.Tensor],
    disjoint_pairs: Callable[[], tf.Tensor],
) -> tuple[tf.Tensor, tf.Tensor]:
    """Averages over the pairs that `estimator` looks at: i != j, all, or (1, 2), (3, 4), ...

    Args:
        estimator: one of `ESTIMATORS`.
        shares: [n], how much each sample counts; a pair counts as the product of its two.
        all_pairs: gives the kernel's values [n, n].
        disjoint_pairs: gives those of the pairs of `disjoint`, [n // 2].

    Returns:
        The average, zero if no pair counts, and what the weights of the pairs sum to.
    """
    if estimator == "linear":
        first, second = disjoint(shares)
        return average_of_pairs(first * second, disjoint_pairs())
    values = all_pairs()
    if estimator == "unbiased":
        values *= off_diagonal(values)
    mass = mass_of_pairs(estimator, shares)
    total = tf.tensordot(shares, tf.linalg.matvec(values, shares), 1)
    return tf.math.divide_no_nan(total, mass), mass


def mass_of_pairs(estimator: str, shares: tf.Tensor) -> tf.Tensor:
    """Returns what the weights of the pairs i != j ("unbiased") or of all pairs sum to."""
    return tf.reduce_sum(shares * (1.0 - shares) if estimator == "unbiased" else shares)


def average_of_pairs(weights: tf.Tensor, values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Averages `values` [m] by `weights` [m]; returns zero if these sum to zero, and their sum."""
    mass = tf.reduce_sum(weights)
    return tf.math.divide_no_nan(tf.reduce_sum(weights * values), mass), mass


def disjoint(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Splits rows 1, 2, 3, 4, ... into 1, 3, ... and 2, 4, ...; an odd last row has no partner.

    Args:
        rows: [n, ...].

    Returns:
        Two tensors [n // 2, ...].
    """
    # Under XLA, the gradient of rows[1::2] has a wrong shape where there is no such row.
    count = tf.shape(rows)[0] // 2
    pairs = tf.reshape(rows[: 2 * count], tf.concat([[count, 2], tf.shape(rows)[1:]], axis=0))
    return pairs[:, 0], pairs[:, 1]
