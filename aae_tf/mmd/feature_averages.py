"""Averages over pairs of samples from their features, without a matrix of all pairs."""

import tensorflow as tf

from aae_tf.mmd.averages import mass_of_pairs


def average_within_features(
    features: tf.Tensor, estimator: str, shares: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Averages f(z_i)' f(z_j) over pairs of samples, at a cost linear in their number.

        biased    |sum_i w_i f(z_i)|^2
        unbiased  the same less sum_i w_i^2 |f(z_i)|^2, the pairs of one sample with itself

    Args:
        features: [n, m], f(z_i).
        estimator: "unbiased" or "biased".
        shares: [n], w_i, of sum one or zero.

    Returns:
        The average, zero if no pair counts, and what the weights of the pairs sum to, as
        `average_within` gives them.
    """
    total = tf.reduce_sum(tf.square(weighted_mean(features, shares)))
    mass = mass_of_pairs(estimator, shares)
    if estimator == "unbiased":
        weights = tf.square(shares)
        total -= tf.reduce_sum(weights * tf.reduce_sum(tf.square(features), axis=1))
    return tf.math.divide_no_nan(total, mass), mass


def weighted_mean(features: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
    """Returns sum_i w_i f(z_i), [m]."""
    return tf.linalg.matvec(features, shares, transpose_a=True)
