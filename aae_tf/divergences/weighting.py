"""Weighted means over a batch."""

import tensorflow as tf


def weighted_mean(values: tf.Tensor, weight: tf.Tensor | None) -> tf.Tensor:
    """Averages `values` [batch] with mass `weight` [batch]; plainly when there is none.

    A batch whose weights are all zero gives zero.
    """
    if weight is None:
        return tf.reduce_mean(values)
    return tf.math.divide_no_nan(tf.reduce_sum(weight * values), tf.reduce_sum(weight))
