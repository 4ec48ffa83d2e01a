"""Distributions with a Gaussian rule under the energy distance and the sliced Gaussian kernel."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.arguments import Distribution
from aae_tf.mmd.gaussian_parts import affine_map, gaussian_parts
from aae_tf.mmd.integrals import beta_quadrature, expand_energy
from aae_tf.mmd.radial_kernels import Energy, SlicedGaussian
from aae_tf.mmd.registry import (
    MeanEmbedding,
    RegisterMeanEmbedding,
    constant,
    embed,
    instance_class,
)
from aae_tf.mmd.rules.kernels import SumEmbedding

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels

_MULTIVARIATE_NORMAL: Any = instance_class(tfd.MultivariateNormalLinearOperator)
_TRANSFORMED: Any = instance_class(tfd.TransformedDistribution)


class EnergyEmbedding(MeanEmbedding):
    """Mean embedding under k(x, y) = -|x - y|^b, by Gaussian kernels of m widths.

    With the expansion of `expand_energy`, mu_i and c_i the mean embedding and its norm under the
    Gaussian kernel of precision p_i,

        mu(z)   = -(constant + curvature E|z - X|^2 + sum_i w_i (1 - mu_i(z)))
        norm_kl = -(constant + curvature E|X_k - X_l|^2 + sum_i w_i (1 - c_i,kl))

    Distances are in units of the distribution's root-mean-square deviation.

    Args:
        distribution: distribution, possibly a batch.
        kernel: `Energy`.
    """

    def __init__(self, distribution: Distribution, kernel: Energy) -> None:
        self._batch_shape = distribution.batch_shape
        shape = distribution.batch_shape + distribution.event_shape
        dimension = shape[-1]
        mean, variance = (
            tf.reshape(tf.broadcast_to(tf.cast(value, tf.float64), shape), [-1, dimension])
            for value in _moments(distribution)
        )
        self._mean, self._trace = mean, tf.reduce_sum(variance, axis=-1)
        known = tf.get_static_value(self._trace)
        if known is not None and not np.isfinite(known).all():
            raise NotImplementedError(
                "Expected `distribution` to have a finite variance under `mmd.Energy`. "
                f"Received: distribution={distribution!r}."
            )
        spread = tf.reduce_sum(tf.math.reduce_variance(mean, axis=0))
        squared_scale = tf.reduce_mean(self._trace) + spread
        expansion = expand_energy(kernel.exponent)
        height = squared_scale ** (0.5 * kernel.exponent)
        self._weights = height * expansion.weights
        self._curvature = height * expansion.curvature / squared_scale
        self._constant = height * expansion.constant
        self._precisions = expansion.precisions / squared_scale
        gaussians = psd_kernels.ExponentiatedQuadratic(
            inverse_length_scale=tf.sqrt(self._precisions)
        )
        self._gaussians = embed(distribution, gaussians)
        squares = tf.reduce_sum(tf.math.squared_difference(mean[:, tf.newaxis], mean), axis=-1)
        squares += self._trace[:, tf.newaxis] + self._trace
        twice = self._batch_shape + self._batch_shape
        terms = tf.tensordot(self._weights, 1.0 - self._gaussians.norm(), 1)
        self._norm = -(self._constant + self._curvature * tf.reshape(squares, twice) + terms)

    def evaluate(self, points: tf.Tensor) -> tf.Tensor:
        """Returns mu at `points`."""
        dtype = points.dtype
        values = self._sum_of_deficits(points)
        points64 = tf.cast(points, tf.float64)
        offsets = points64[:, tf.newaxis] - constant(self._mean, tf.float64)
        squares = tf.reduce_sum(tf.square(offsets), axis=-1) + constant(self._trace, tf.float64)
        squares = tf.reshape(squares, [tf.shape(points)[0], *self._batch_shape])
        rest = (
            constant(self._constant, tf.float64) + constant(self._curvature, tf.float64) * squares
        )
        return -(values + tf.cast(rest, dtype))

    def norm(self) -> tf.Tensor:
        """Returns E k(X, Y)."""
        return self._norm

    def _sum_of_deficits(self, points: tf.Tensor) -> tf.Tensor:
        """Returns sum_i w_i (1 - mu_i) at `points`, [n] + batch_shape."""
        # The widest kernels are close to 1: float32 would lose the difference.
        deficits = 1.0 - self._gaussians.evaluate(tf.cast(points, tf.float64))
        weights = constant(self._weights, tf.float64)
        return tf.cast(tf.tensordot(deficits, weights, [[1], [0]]), points.dtype)


class GaussianEnergyEmbedding(EnergyEmbedding):
    """The same for multivariate normals whose parameters are constants; see `SpectralForms`."""

    def __init__(self, distribution: Distribution, kernel: Energy) -> None:
        super().__init__(distribution, kernel)
        self._forms = SpectralForms(distribution, self._precisions)

    def _sum_of_deficits(self, points: tf.Tensor) -> tf.Tensor:
        return self._forms.weighted_sum(points, self._weights, lambda x: -tf.math.expm1(x))


class SpectralForms:
    """Gaussian kernels of many widths at multivariate normals.

    The eigenvectors of a covariance diagonalise the quadratic forms of all widths at once: for a
    point z = m + Q y, eigenvalues v_j and precisions p_i,

        log mu_i(z) = -sum_j [log(1 + p_i v_j) + p_i y_j^2 / (1 + p_i v_j)] / 2

    Args:
        distribution: multivariate normals, a batch or a single one.
        precisions: float64 [m], p.
    """

    def __init__(self, distribution: Distribution, precisions: tf.Tensor) -> None:
        self._batch_shape = distribution.batch_shape
        dimension = distribution.event_shape[0]
        scale = tf.cast(distribution.scale.to_dense(), tf.float64)
        covariance = tf.matmul(scale, scale, transpose_b=True)
        shape = [*self._batch_shape, dimension, dimension]
        covariance = tf.reshape(tf.broadcast_to(covariance, shape), [-1, dimension, dimension])
        variances, vectors = tf.linalg.eigh(covariance)
        # [B, d, m] and [B, m].
        stretches = 1.0 + tf.maximum(variances, 0.0)[..., tf.newaxis] * precisions
        self._forms = precisions / stretches
        self._log_volumes = tf.reduce_sum(tf.math.log(stretches), axis=1)
        self._vectors = vectors
        mean = tf.broadcast_to(tf.cast(distribution.mean(), tf.float64), shape[:-1])
        mean = tf.reshape(mean, [-1, dimension])
        self._centres = tf.linalg.matvec(vectors, mean, transpose_a=True)

    def weighted_sum(
        self,
        points: tf.Tensor,
        weights: tf.Tensor,
        function: Callable[[tf.Tensor], tf.Tensor],
    ) -> tf.Tensor:
        """Returns sum_i weights[i] function(log mu_i(z)) at every point z.

        Args:
            points: float32 or float64 [n, d].
            weights: float64 [m].
            function: element by element.

        Returns:
            Tensor [n] + batch_shape of the dtype of `points`.
        """
        dtype = points.dtype
        vectors, centres = (constant(x, tf.float64) for x in (self._vectors, self._centres))
        forms, log_volumes, weights = (
            constant(x, dtype) for x in (self._forms, self._log_volumes, weights)
        )
        # Shapes [B, n, d], [B, n, m] and [B, n].
        offsets = tf.matmul(tf.cast(points, tf.float64), vectors) - centres[:, tf.newaxis]
        squares = tf.square(tf.cast(offsets, dtype))
        exponents = log_volumes[:, tf.newaxis] + tf.matmul(squares, forms)
        sums = tf.linalg.matvec(function(-0.5 * exponents), weights)
        return tf.reshape(tf.transpose(sums), [tf.shape(points)[0], *self._batch_shape])


class SlicedEmbedding(MeanEmbedding):
    """Mean embedding under `SlicedGaussian`: the sum of those under Gaussian kernels.

    Args:
        distribution: distribution, possibly a batch.
        kernel: `SlicedGaussian`.
    """

    def __init__(self, distribution: Distribution, kernel: SlicedGaussian) -> None:
        dimension = distribution.event_shape[0]
        nodes, weights = (np.ones(1), np.ones(1)) if dimension == 1 else beta_quadrature(dimension)
        precisions = tf.constant(nodes / kernel.squared_width())
        gaussians = psd_kernels.ExponentiatedQuadratic(
            tf.sqrt(tf.constant(weights)), inverse_length_scale=tf.sqrt(precisions)
        )
        self._sum = SumEmbedding(distribution, gaussians, [])
        self._weights = tf.constant(weights)
        self._forms = (
            SpectralForms(distribution, precisions) if _is_constant_normal(distribution) else None
        )

    def evaluate(self, points: tf.Tensor) -> tf.Tensor:
        """Returns mu at `points`."""
        if self._forms is None:
            return self._sum.evaluate(points)
        return self._forms.weighted_sum(points, self._weights, tf.exp)

    def norm(self) -> tf.Tensor:
        """Returns E k(X, Y)."""
        return self._sum.norm()


def _moments(distribution: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Gives the mean and the variances of the coordinates; of an affine image their true sum."""
    if isinstance(distribution, tfd.SphericalUniform | tfd.VonMisesFisher):
        mean = tf.cast(distribution.mean(), tf.float64)
        square = 1.0 - tf.reduce_sum(tf.square(mean), axis=-1, keepdims=True)
        # All vectors have the length 1.
        return mean, square / mean.shape[-1] * tf.ones_like(mean)
    affine = affine_map(distribution) if isinstance(distribution, _TRANSFORMED) else None
    if affine is None:
        return distribution.mean(), distribution.variance()
    parts = gaussian_parts(distribution)
    if parts is not None:
        weights = parts.weights[..., tf.newaxis]
        mean = tf.reduce_sum(weights * parts.locs, axis=-2)
        spread = tf.math.squared_difference(parts.locs, mean[..., tf.newaxis, :])
        spread += tf.linalg.diag_part(parts.covariances)
        return mean, tf.reduce_sum(weights * spread, axis=-2)
    mean, variance = (tf.cast(x, tf.float64) for x in _moments(distribution.distribution))
    # Other bases are turned and scaled in all directions alike, so that the sum is that of A S A'.
    return (
        tf.linalg.matvec(affine.matrix, mean) + affine.shift,
        tf.linalg.matvec(tf.square(affine.matrix), variance),
    )


def _is_constant_normal(distribution: Distribution) -> bool:
    # In eager mode gradients reach the parameters, and eigenvectors of equal eigenvalues have none.
    # Constants of a graph are made eagerly while it is built.
    is_constant = tf.executing_eagerly() and tf.inside_function()
    return is_constant and isinstance(distribution, _MULTIVARIATE_NORMAL)


@RegisterMeanEmbedding(tfd.Distribution, Energy)
def _energy(distribution: Distribution, kernel: Energy) -> EnergyEmbedding:
    is_normal = _is_constant_normal(distribution)
    return (GaussianEnergyEmbedding if is_normal else EnergyEmbedding)(distribution, kernel)


RegisterMeanEmbedding(tfd.Distribution, SlicedGaussian)(SlicedEmbedding)
