"""Kernels with finitely many features: the mean embedding is that of the features."""

import tensorflow as tf

from aae_tf.mmd.fourier_features import FourierFeatures
from aae_tf.mmd.registry import MeanEmbedding, constant


class FeatureEmbedding(MeanEmbedding):
    """Mean embedding under k(x, y) = f(x)' f(y), given m = E f(X).

        mu(z)   = f(z)' m
        norm_ij = m_i' m_j

    Args:
        means: floating point, batch_shape + [m], E f(X).
        kernel: `FourierFeatures`, whose f it is.
    """

    def __init__(self, means: tf.Tensor, kernel: FourierFeatures) -> None:
        self._kernel = kernel
        self._batch_shape = means.shape[:-1]
        self._means = tf.reshape(tf.cast(means, tf.float64), [-1, means.shape[-1]])
        norm = tf.matmul(self._means, self._means, transpose_b=True)
        self._norm = tf.reshape(norm, self._batch_shape + self._batch_shape)

    @classmethod
    def from_characteristic(
        cls, values: tf.Tensor, batch_shape: tf.TensorShape, kernel: FourierFeatures
    ) -> "FeatureEmbedding":
        """Makes the embedding of what has the characteristic function `values`.

        Args:
            values: complex128 [B, m], at `kernel.frequencies`.
            batch_shape: of the distribution, B members in all.
            kernel: the kernel.

        Returns:
            The embedding.
        """
        means = kernel.stack(tf.math.real(values), tf.math.imag(values))
        return cls(tf.reshape(means, [*batch_shape, kernel.num_features]), kernel)

    def evaluate(self, points: tf.Tensor) -> tf.Tensor:
        """Returns mu at `points`."""
        means = constant(self._means, points.dtype)
        values = tf.matmul(self._kernel.features(points), means, transpose_b=True)
        return tf.reshape(values, [tf.shape(points)[0], *self._batch_shape])

    def norm(self) -> tf.Tensor:
        """Returns E k(X, Y)."""
        return self._norm
