"""Independent bits under Gaussian kernels."""

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.constants import constant
from aae_tf.mmd.embedding import MeanEmbedding
from aae_tf.mmd.gaussian_kernels import heights_and_widths
from aae_tf.mmd.registry import RegisterMeanEmbedding
from aae_tf.mmd.types import Distribution, GaussianKernel

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels


class BitEmbedding(MeanEmbedding):
    """Mean embedding of a vector of independent bits, or of a batch of such vectors.

    The kernel is a product over coordinates j, and each factor averages over two points. With
    s = length_scale^2 and a = amplitude^2,

        mu(z)   = a prod_j [(1 - p_j) exp(-z_j^2 / (2 s)) + p_j exp(-(z_j - 1)^2 / (2 s))]
        norm_kl = a prod_j [1 - u_j + u_j exp(-1 / (2 s))],  u = p_k (1 - p_l) + p_l (1 - p_k)

    Args:
        probs: floating point, batch_shape + [d], p.
        kernel: Gaussian kernel, possibly a batch.
    """

    def __init__(self, probs: tf.Tensor, kernel: GaussianKernel) -> None:
        self._batch_shape = kernel.batch_shape + probs.shape[:-1]
        log_heights, squared_widths = heights_and_widths(kernel)
        self._log_heights = tf.reshape(log_heights, [-1, 1])
        self._squared_widths = tf.reshape(squared_widths, [-1, 1, 1, 1])
        shape = self._batch_shape + probs.shape[:-1]
        probs = tf.reshape(tf.cast(probs, tf.float64), [-1, probs.shape[-1]])
        self._log_probs = tf.math.log(tf.stack([1.0 - probs, probs], axis=-1))

        first = probs[:, tf.newaxis]
        unequal = first * (1.0 - probs) + probs * (1.0 - first)
        factors = 1.0 + unequal * tf.math.expm1(-0.5 / self._squared_widths)
        norm = tf.exp(self._log_heights)[..., tf.newaxis] * tf.reduce_prod(factors, axis=-1)
        self._norm = tf.reshape(norm, shape)

    def evaluate(self, points: tf.Tensor) -> tf.Tensor:
        """Returns mu at `points`."""
        offsets = tf.cast(points, tf.float64)[:, tf.newaxis, tf.newaxis, :, tf.newaxis] - [0.0, 1.0]
        exponents = tf.square(offsets) / (2.0 * constant(self._squared_widths, tf.float64))
        log_terms = constant(self._log_probs, tf.float64) - exponents
        log_values = tf.reduce_sum(tf.reduce_logsumexp(log_terms, axis=-1), axis=-1)
        values = tf.exp(constant(self._log_heights, tf.float64) + log_values)
        return tf.reshape(tf.cast(values, points.dtype), [tf.shape(points)[0], *self._batch_shape])

    def norm(self) -> tf.Tensor:
        """Returns E k(X, Y)."""
        return self._norm


@RegisterMeanEmbedding(tfd.Bernoulli, psd_kernels.ExponentiatedQuadratic)
def _independent_bits(distribution: Distribution, kernel: GaussianKernel) -> BitEmbedding:
    """Takes the last axis of the batch as the coordinates of a vector; see `product`."""
    return BitEmbedding(distribution.probs_parameter(), kernel)
