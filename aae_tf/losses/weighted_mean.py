"""Weighted means over a batch."""

import tensorflow as tf

from aae_tf import replicas


def weighted_mean(values: tf.Tensor, sample_weight: tf.Tensor | None = None) -> tf.Tensor:
    """Averages `values` over the batch, each row with its weight; plainly where there is none.

    Args:
        values: float32 [batch, ...].
        sample_weight: [batch], zero or more.

    Returns:
        float32 [...]; zero where all weights are zero. In a step on several replicas, this one's
        part in the mean over all their rows, see `aae_tf.replicas`.
    """
    if sample_weight is None:
        return replicas.row_mean(values)
    weight = tf.cast(sample_weight, tf.float32)
    total = tf.tensordot(weight, values, axes=1)
    return replicas.weighted_share(total, tf.reduce_sum(weight))
