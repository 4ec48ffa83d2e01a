"""Batches of one and the same distribution."""

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.arguments import Distribution, Kernel
from aae_tf.mmd.registry import MeanEmbedding, RegisterMeanEmbedding, embed

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels


class CopiedEmbedding(MeanEmbedding):
    """Mean embedding of a batch of copies: that of one of them, everywhere.

    Args:
        single: embedding of a distribution of batch shape [].
        batch_shape: of the copies.
    """

    def __init__(self, single: MeanEmbedding, batch_shape: tf.TensorShape) -> None:
        self._single = single
        self._batch_shape = batch_shape
        self._norm = _spread(single.norm(), batch_shape + batch_shape)

    def evaluate(self, points: tf.Tensor) -> tf.Tensor:
        """Returns mu at `points`."""
        return _spread(self._single.evaluate(points), self._batch_shape)

    def norm(self) -> tf.Tensor:
        """Returns E k(X, Y)."""
        return self._norm


def _spread(values: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    """Repeats each value over new axes at the end."""
    ones = tf.reshape(values, tf.concat([tf.shape(values), [1] * shape.rank], axis=0))
    return ones * tf.ones(shape, values.dtype)


@RegisterMeanEmbedding(tfd.BatchBroadcast, psd_kernels.PositiveSemidefiniteKernel)
def _copies(distribution: Distribution, kernel: Kernel) -> CopiedEmbedding:
    single = distribution.distribution
    if single.batch_shape != [] or single.event_shape.rank != 1:
        raise NotImplementedError(
            "Expected a `tfd.BatchBroadcast` to repeat one distribution of vectors. "
            f"Received: distribution={distribution!r}."
        )
    return CopiedEmbedding(embed(single, kernel), distribution.batch_shape)
