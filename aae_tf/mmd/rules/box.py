"""Uniform distributions on boxes under Gaussian kernels."""

import math

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.constants import constant
from aae_tf.mmd.embedding import MeanEmbedding
from aae_tf.mmd.gaussian_kernels import heights_and_widths
from aae_tf.mmd.registry import RegisterMeanEmbedding
from aae_tf.mmd.types import Distribution, GaussianKernel

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels


class BoxEmbedding(MeanEmbedding):
    """Mean embedding of the uniform distribution on a box, or on a batch of boxes.

    The kernel is a product over coordinates j, and so are both expectations. With
    s = length_scale^2, a = amplitude^2, sides L = high - low and P the standard normal's
    distribution function,

        mu(z)   = a prod_j sqrt(2 pi s) / L_j [P((high_j - z_j)/sqrt(s)) - P((low_j - z_j)/sqrt(s))]
        norm_kl = a prod_j [G(high_k - low_l) - G(high_k - high_l)
                            - G(low_k - low_l) + G(low_k - high_l)] / (L_k L_l)
        G(t)    = t sqrt(pi s / 2) erf(t / sqrt(2 s)) + s (exp(-t^2 / (2 s)) - 1)

    where G'' = exp(-t^2 / (2 s)).

    Args:
        low: floating point, batch_shape + [d].
        high: floating point, of the same shape, above `low`.
        kernel: Gaussian kernel, possibly a batch.
    """

    def __init__(self, low: tf.Tensor, high: tf.Tensor, kernel: GaussianKernel) -> None:
        self._batch_shape = kernel.batch_shape + low.shape[:-1]
        log_heights, squared_widths = heights_and_widths(kernel)
        log_heights = tf.reshape(log_heights, [-1, 1])
        squared_widths = tf.reshape(squared_widths, [-1, 1, 1])
        self._widths = tf.sqrt(squared_widths)
        self._low = tf.reshape(tf.cast(low, tf.float64), [-1, low.shape[-1]])
        self._high = tf.reshape(tf.cast(high, tf.float64), [-1, low.shape[-1]])
        sides = self._high - self._low
        peaks = tf.sqrt(2.0 * math.pi * squared_widths) / sides
        self._log_peaks = log_heights + tf.reduce_sum(tf.math.log(peaks), axis=-1)

        first_low, first_high = self._low[:, tf.newaxis], self._high[:, tf.newaxis]
        spreads = squared_widths[..., tf.newaxis]
        integrals = (
            _antiderivative(first_high - self._low, spreads)
            - _antiderivative(first_high - self._high, spreads)
            - _antiderivative(first_low - self._low, spreads)
            + _antiderivative(first_low - self._high, spreads)
        )
        factors = integrals / (sides[:, tf.newaxis] * sides)
        norm = tf.exp(log_heights)[..., tf.newaxis] * tf.reduce_prod(factors, axis=-1)
        self._norm = tf.reshape(norm, self._batch_shape + low.shape[:-1])

    def evaluate(self, points: tf.Tensor) -> tf.Tensor:
        """Returns mu at `points`."""
        # In float64: the difference of two distribution functions cancels under wide kernels.
        points64 = tf.cast(points, tf.float64)[:, tf.newaxis, tf.newaxis]
        widths = constant(self._widths, tf.float64)
        below = (constant(self._low, tf.float64) - points64) / widths
        above = (constant(self._high, tf.float64) - points64) / widths
        # Mirrored into the lower tail, neither distribution function rounds to one, so the
        # logarithm of their difference and its gradient are finite at any distance.
        mirrored = below > 0.0
        upper = tf.where(mirrored, -below, above)
        lower = tf.where(mirrored, -above, below)
        normal = tfd.Normal(tf.zeros([], tf.float64), 1.0)
        log_masses = tfp.math.log_sub_exp(normal.log_cdf(upper), normal.log_cdf(lower))
        values = tf.exp(constant(self._log_peaks, tf.float64) + tf.reduce_sum(log_masses, axis=-1))
        return tf.reshape(tf.cast(values, points.dtype), [tf.shape(points)[0], *self._batch_shape])

    def norm(self) -> tf.Tensor:
        """Returns E k(X, Y)."""
        return self._norm


def _antiderivative(offsets: tf.Tensor, squared_widths: tf.Tensor) -> tf.Tensor:
    """Returns G(offsets)."""
    return offsets * tf.sqrt(0.5 * math.pi * squared_widths) * tf.math.erf(
        offsets / tf.sqrt(2.0 * squared_widths)
    ) + squared_widths * tf.math.expm1(-tf.square(offsets) / (2.0 * squared_widths))


@RegisterMeanEmbedding(tfd.Uniform, psd_kernels.ExponentiatedQuadratic)
def _independent_uniforms(distribution: Distribution, kernel: GaussianKernel) -> BoxEmbedding:
    """Takes the last axis of the batch as the coordinates of a vector; see `product`."""
    shape = distribution.batch_shape
    return BoxEmbedding(
        tf.broadcast_to(distribution.low, shape), tf.broadcast_to(distribution.high, shape), kernel
    )
