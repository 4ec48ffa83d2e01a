"""How well logits tell the labels of those rows that have one."""

import tensorflow as tf

from aae_tf.losses.weighted_mean import weighted_mean


def cross_entropy(
    logits: tf.Tensor, labels: tf.Tensor, sample_weight: tf.Tensor | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Averages -log q(label|x) over the labelled rows.

    Args:
        logits: float [batch, K].
        labels: integer [batch], below K; negative where unknown.
        sample_weight: [batch], zero or more; None counts every row once.

    Returns:
        float32 scalars: the mean, nats; and the labelled rows' number, or their total weight.
        Both are zero, without slope, where no row is labelled.

    Example:

    >>> import tensorflow as tf
    >>> mean, count = cross_entropy(tf.zeros([3, 4]), tf.constant([2, -1, 0]))
    >>> round(float(mean), 4), float(count)
    (1.3863, 2.0)
    """
    known, weight = _known(labels, sample_weight)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=tf.where(known, labels, 0), logits=tf.cast(logits, tf.float32)
    )
    return weighted_mean(losses, weight), tf.reduce_sum(weight)


def accuracy(
    logits: tf.Tensor, labels: tf.Tensor, sample_weight: tf.Tensor | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Gives the share of the labelled rows whose largest logit is at the label.

    Args:
        logits: float [batch, K]; probabilities do as well.
        labels: integer [batch], below K; negative where unknown.
        sample_weight: [batch], zero or more; None counts every row once.

    Returns:
        float32 scalars: the share, in [0, 1]; and the labelled rows' number, or their total
        weight. Both are zero where no row is labelled.

    Example:

    >>> import tensorflow as tf
    >>> share, count = accuracy(tf.eye(3), tf.constant([0, -1, 0]))
    >>> float(share), float(count)
    (0.5, 2.0)
    """
    _, weight = _known(labels, sample_weight)
    right = tf.argmax(logits, axis=1) == tf.cast(labels, tf.int64)
    return weighted_mean(tf.cast(right, tf.float32), weight), tf.reduce_sum(weight)


def _known(labels: tf.Tensor, sample_weight: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
    known = labels >= 0
    weight = tf.cast(known, tf.float32)
    if sample_weight is not None:
        weight *= tf.cast(sample_weight, tf.float32)
    return known, weight
