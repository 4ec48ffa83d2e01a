"""Cross-entropy, accuracy and mutual information of class logits."""

from typing import Any

import keras
import tensorflow as tf

from aae_tf.checks import check_non_negative
from aae_tf.losses.loss_term import LossTerm
from aae_tf.losses.weights import Weight, weighted_mean


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
        Both are zero, and so is their gradient, where no row is labelled.

    Example:

    >>> import tensorflow as tf
    >>> mean, count = cross_entropy(tf.zeros([3, 4]), tf.constant([2, -1, 0]))
    >>> round(float(mean), 4), float(count)
    (1.3863, 2.0)
    """
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=tf.where(labels >= 0, labels, 0), logits=tf.cast(logits, tf.float32)
    )
    weight = _weight_of_labelled(labels, sample_weight)
    return weighted_mean(losses, weight), tf.reduce_sum(weight)


def accuracy(
    logits: tf.Tensor, labels: tf.Tensor, sample_weight: tf.Tensor | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes the share of the labelled rows whose largest logit is that of the label.

    Args:
        logits: float [batch, K]; probabilities give the same result.
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
    weight = _weight_of_labelled(labels, sample_weight)
    is_correct = tf.argmax(logits, axis=1) == tf.cast(labels, tf.int64)
    return weighted_mean(tf.cast(is_correct, tf.float32), weight), tf.reduce_sum(weight)


def _weight_of_labelled(labels: tf.Tensor, sample_weight: tf.Tensor | None) -> tf.Tensor:
    weight = tf.cast(labels >= 0, tf.float32)
    if sample_weight is not None:
        weight *= tf.cast(sample_weight, tf.float32)
    return weight


@keras.saving.register_keras_serializable(package="aae_tf")
class MutualInformation(LossTerm):
    """A term whose minimum is a one-hot q(y|x) for every input, with classes equally frequent.

    The term is -(marginal_weight H(mean of q(y|x) over the batch) - mean of H(q(y|x))), nats. With
    `marginal_weight=1` it is minus the mutual information of x and y. With K classes it lies
    between -marginal_weight log(K) and log(K).

    Args:
        marginal_weight: weight of the marginal entropy, a finite number, zero or more.
        weight: factor of this term in the loss, a number or a schedule.

    Raises:
        TypeError: if `weight` is neither a number nor a schedule.
        ValueError: if an argument is out of its range.

    Example:

    >>> import tensorflow as tf
    >>> term = MutualInformation(marginal_weight=1.0)
    >>> round(float(term(tf.constant([[99.0, 0.0], [0.0, 99.0]]))), 4)  # one-hot, equal shares
    -0.6931

    References:
        Krause et al. 2010, *Discriminative Clustering by Regularized Information Maximization*;
        Hu et al. 2017, *Learning Discrete Representations via Information Maximizing
        Self-Augmented Training* (arXiv:1702.08720), whose code has the weights 4 and 0.1.
    """

    log_key = "information_loss"

    def __init__(self, marginal_weight: float = 4.0, weight: Weight = 0.1) -> None:
        super().__init__(weight)
        self.marginal_weight = check_non_negative("marginal_weight", marginal_weight)

    def __call__(self, logits: tf.Tensor, sample_weight: tf.Tensor | None = None) -> tf.Tensor:
        """Returns the term on one batch.

        Args:
            logits: float [batch, K] of q(y|x).
            sample_weight: [batch], zero or more; None counts every row once.

        Returns:
            float32 scalar, nats.
        """
        log_probs = tf.nn.log_softmax(tf.cast(logits, tf.float32))
        probs = tf.exp(log_probs)
        marginal = weighted_mean(probs, sample_weight)
        # A class of probability zero contributes neither a value nor a gradient.
        marginal_entropy = -tf.reduce_sum(tf.math.xlogy(marginal, marginal))
        entropy = -tf.reduce_sum(probs * log_probs, axis=1)
        return weighted_mean(entropy, sample_weight) - self.marginal_weight * marginal_entropy

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "marginal_weight": self.marginal_weight}
