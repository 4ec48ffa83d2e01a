"""Gaussian distributions under Gaussian kernels."""

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.arguments import Distribution, GaussianKernel, Kernel
from aae_tf.mmd.fourier_features import FourierFeatures
from aae_tf.mmd.gaussian_kernels import heights_and_widths
from aae_tf.mmd.product_kernels import CoordinateProduct
from aae_tf.mmd.registry import MeanEmbedding, RegisterMeanEmbedding, constant, embed
from aae_tf.mmd.rules.features import FeatureEmbedding

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels


class GaussianEmbedding(MeanEmbedding):
    """Mean embedding of N(m, S), or of a batch of Gaussians, under a Gaussian kernel.

    With s = length_scale^2 and a = amplitude^2,

        mu(z)   = a |I + S/s|^(-1/2) exp(-(z - m)' (S + s I)^(-1) (z - m) / 2)
        norm_ij = a |I + (S_i + S_j)/s|^(-1/2)
                  exp(-(m_i - m_j)' (S_i + S_j + s I)^(-1) (m_i - m_j) / 2)

    The factor L L' = S + s I gives the determinant in log-space, and L^(-1) turns the exponent
    into the length of a whitened difference.

    Args:
        loc: floating point, batch_shape + [d].
        covariance: floating point, batch_shape + [d, d].
        kernel: Gaussian kernel, possibly a batch.

    References:
        Rustamov 2019, arXiv:1901.03227, section 3.
    """

    def __init__(self, loc: tf.Tensor, covariance: tf.Tensor, kernel: GaussianKernel) -> None:
        self._batch_shape = kernel.batch_shape + loc.shape[:-1]
        dimension = loc.shape[-1]
        locs = tf.reshape(tf.cast(loc, tf.float64), [-1, dimension])
        covariances = tf.reshape(tf.cast(covariance, tf.float64), [-1, dimension, dimension])

        log_peaks, factors = _factorise(covariances, kernel)
        identity = tf.eye(dimension, dtype=tf.float64)
        whiteners = tf.linalg.triangular_solve(factors, tf.broadcast_to(identity, factors.shape))
        self._log_peaks = tf.reshape(log_peaks, [-1])
        self._whiteners = tf.reshape(tf.transpose(whiteners, [3, 0, 1, 2]), [dimension, -1])
        self._whitened_locs = tf.reshape(tf.linalg.matvec(whiteners, locs), [-1])

        log_peaks, factors = _factorise(covariances[:, tf.newaxis] + covariances, kernel)
        differences = tf.broadcast_to(locs[:, tf.newaxis] - locs, factors.shape[:-1])
        whitened = tf.linalg.triangular_solve(factors, differences[..., tf.newaxis])
        norm = tf.exp(log_peaks - 0.5 * tf.reduce_sum(tf.square(whitened), axis=[-2, -1]))
        self._norm = tf.reshape(norm, self._batch_shape + loc.shape[:-1])

    def evaluate(self, points: tf.Tensor) -> tf.Tensor:
        """Returns mu at `points`."""
        dtype, (count, dimension) = points.dtype, (tf.shape(points)[0], points.shape[1])
        # One matrix product whitens the points for all widths and all members of the batch. It
        # takes float64 to subtract the centres afterwards without loss, far from the origin.
        whitened = tf.matmul(tf.cast(points, tf.float64), constant(self._whiteners, tf.float64))
        whitened = tf.cast(whitened - constant(self._whitened_locs, tf.float64), dtype)
        lengths = tf.reduce_sum(
            tf.square(tf.reshape(whitened, [count, self._log_peaks.shape[0], dimension])), axis=-1
        )
        values = tf.exp(constant(self._log_peaks, dtype) - 0.5 * lengths)
        return tf.reshape(values, [count, *self._batch_shape])

    def norm(self) -> tf.Tensor:
        """Returns E k(X, Y)."""
        return self._norm


def _factorise(covariances: tf.Tensor, kernel: GaussianKernel) -> tuple[tf.Tensor, tf.Tensor]:
    """Factorises L L' = S + s I for m widths.

    Args:
        covariances: float64 [..., d, d], S.
        kernel: Gaussian kernel, whose batch has m members.

    Returns:
        log(a |I + S/s|^(-1/2)) [m, ...] and L [m, ..., d, d].
    """
    log_heights, squared_widths = heights_and_widths(kernel)
    ones = [1] * (covariances.shape.rank - 2)
    log_heights = tf.reshape(log_heights, [-1, *ones])
    squared_widths = tf.reshape(squared_widths, [-1, *ones, 1])
    identity = tf.eye(covariances.shape[-1], dtype=tf.float64)
    factors = tf.linalg.cholesky(covariances + squared_widths[..., tf.newaxis] * identity)
    stretches = tf.linalg.diag_part(factors) / tf.sqrt(squared_widths)
    return log_heights - tf.reduce_sum(tf.math.log(stretches), axis=-1), factors


@RegisterMeanEmbedding(tfd.MultivariateNormalLinearOperator, psd_kernels.ExponentiatedQuadratic)
def _multivariate_normal(distribution: Distribution, kernel: GaussianKernel) -> GaussianEmbedding:
    scale = tf.cast(distribution.scale.to_dense(), tf.float64)
    covariance = tf.matmul(scale, scale, transpose_b=True)
    shape = distribution.batch_shape + distribution.event_shape + distribution.event_shape
    return GaussianEmbedding(distribution.mean(), tf.broadcast_to(covariance, shape), kernel)


@RegisterMeanEmbedding(tfd.MultivariateNormalLinearOperator, FourierFeatures)
def _features(distribution: Distribution, kernel: FourierFeatures) -> FeatureEmbedding:
    """Takes E exp(i w'X) = exp(i w'm - w'S w / 2)."""
    shape = distribution.batch_shape
    dimension = distribution.event_shape[0]
    kernel.check_length(dimension)
    loc = tf.broadcast_to(distribution.mean(), [*shape, dimension])
    scale = tf.broadcast_to(distribution.scale.to_dense(), [*shape, dimension, dimension])
    loc, scale = (tf.cast(value, tf.float64) for value in (loc, scale))
    frequencies = tf.constant(kernel.frequencies)
    phases = tf.matmul(tf.reshape(loc, [-1, dimension]), frequencies, transpose_b=True)
    spreads = tf.matmul(frequencies, tf.reshape(scale, [-1, dimension, dimension]))
    lengths = -0.5 * tf.reduce_sum(tf.square(spreads), axis=-1)
    return FeatureEmbedding.from_characteristic(tf.exp(tf.complex(lengths, phases)), shape, kernel)


@RegisterMeanEmbedding(tfd.MultivariateNormalDiag, CoordinateProduct)
def _independent_normals(distribution: Distribution, kernel: Kernel) -> MeanEmbedding:
    scale = distribution.scale.diag_part()
    return embed(tfd.Normal(distribution.mean(), scale), kernel)
