"""Distributions on finitely many points, under any kernel: all expectations are finite sums."""

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.arguments import Distribution, Kernel
from aae_tf.mmd.gaussian_kernels import heights_and_widths
from aae_tf.mmd.pairs import kernel_matrix, squared_distances
from aae_tf.mmd.registry import MeanEmbedding, RegisterMeanEmbedding, constant
from aae_tf.mmd.rules.mixture import MixtureEmbedding

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels


class PointEmbedding(MeanEmbedding):
    """Mean embedding of a point mass, or of a batch of them.

        mu(z)   = k(z, loc)
        norm_ij = k(loc_i, loc_j)

    Args:
        loc: floating point, batch_shape + [d].
        kernel: any kernel of batch shape [], or Gaussian kernel, possibly a batch.
    """

    def __init__(self, loc: tf.Tensor, kernel: Kernel) -> None:
        self._batch_shape = kernel.batch_shape + loc.shape[:-1]
        self._kernel = kernel
        self._is_gaussian = isinstance(kernel, psd_kernels.ExponentiatedQuadratic)
        if self._is_gaussian:
            log_heights, squared_widths = heights_and_widths(kernel)
            self._log_heights = tf.reshape(log_heights, [-1, 1, 1])
            self._squared_widths = tf.reshape(squared_widths, [-1, 1, 1])
        self._locs = tf.reshape(tf.cast(loc, tf.float64), [-1, loc.shape[-1]])
        norm = tf.cast(self._values(self._locs), tf.float64)
        self._norm = tf.reshape(norm, self._batch_shape + loc.shape[:-1])

    def evaluate(self, points: tf.Tensor) -> tf.Tensor:
        """Returns mu at `points`."""
        values = tf.transpose(self._values(points), [1, 0, 2])
        return tf.reshape(values, [tf.shape(points)[0], *self._batch_shape])

    def norm(self) -> tf.Tensor:
        """Returns E k(X, Y)."""
        return self._norm

    def _values(self, points: tf.Tensor) -> tf.Tensor:
        """Returns k(z, loc), of shape [widths, n, locs]."""
        if not self._is_gaussian:
            # A kernel with parameters insists on their dtype.
            dtype = self._kernel.dtype or points.dtype
            locs = constant(self._locs, dtype)
            values = kernel_matrix(self._kernel, tf.cast(points, dtype), locs)
            return tf.cast(values, points.dtype)[tf.newaxis]
        distances = squared_distances(points, constant(self._locs, points.dtype))
        return tf.exp(
            constant(self._log_heights, points.dtype)
            - distances / (2.0 * constant(self._squared_widths, points.dtype))
        )


@RegisterMeanEmbedding(tfd.VectorDeterministic, psd_kernels.PositiveSemidefiniteKernel)
def _vector_deterministic(distribution: Distribution, kernel: Kernel) -> PointEmbedding:
    return PointEmbedding(distribution.loc, kernel)


@RegisterMeanEmbedding(tfd.OneHotCategorical, psd_kernels.PositiveSemidefiniteKernel)
def _one_hot_categorical(distribution: Distribution, kernel: Kernel) -> MixtureEmbedding:
    probs = distribution.probs_parameter()
    shape = probs.shape + probs.shape[-1:]
    points = tf.broadcast_to(tf.eye(shape[-1], dtype=probs.dtype), shape)
    return MixtureEmbedding(probs, PointEmbedding(points, kernel))


@RegisterMeanEmbedding(tfd.Empirical, psd_kernels.PositiveSemidefiniteKernel)
def _empirical(distribution: Distribution, kernel: Kernel) -> MixtureEmbedding:
    if distribution.event_shape.rank != 1:
        raise NotImplementedError(
            "Expected a `tfd.Empirical` of vectors, with event_ndims=1. "
            f"Received: distribution={distribution!r}."
        )
    samples = distribution.samples
    return MixtureEmbedding(tf.ones(samples.shape[:-1]), PointEmbedding(samples, kernel))
