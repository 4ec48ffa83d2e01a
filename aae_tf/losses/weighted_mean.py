"""Weighted means over a batch."""

import tensorflow as tf


def weighted_mean(values: tf.Tensor, sample_weight: tf.Tensor | None = None) -> tf.Tensor:
    """Averages `values` over the batch, each row with its weight; plainly where there is none.

    Args:
        values: float32 [batch, ...].
        sample_weight: [batch], zero or more.

    Returns:
        float32 [...]; zero where all weights are zero.
    """
    if sample_weight is None:
        return tf.reduce_mean(values, axis=0)
    weight = tf.cast(sample_weight, tf.float32)
    total = tf.tensordot(weight, values, axes=1)
    return tf.math.divide_no_nan(total, tf.reduce_sum(weight))
