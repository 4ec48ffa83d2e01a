"""Affine images of what has a rule, and Gaussians of a covariance with a part of low rank."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.arguments import Distribution, GaussianKernel, Kernel
from aae_tf.mmd.fourier_features import FourierFeatures
from aae_tf.mmd.gaussian_kernels import heights_and_widths
from aae_tf.mmd.gaussian_parts import AffineMap, affine_map, gaussian_parts
from aae_tf.mmd.registry import (
    MeanEmbedding,
    RegisterMeanEmbedding,
    constant,
    embed,
    missing_rule,
)
from aae_tf.mmd.rules.mixture import MixtureEmbedding

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels

# Relative to the scale: a matrix this close to a multiple of a rotation counts as one.
_TOLERANCE = 1e-6


class SimilarEmbedding(MeanEmbedding):
    """Mean embedding of Y = c + a Q X, Q orthogonal and a > 0, under a Gaussian kernel.

    Distances of Y are a times those of X, so that with mu_X of the width divided by a,

        mu_Y(z) = mu_X(Q'(z - c) / a),  norm_Y = norm_X

    Args:
        base: distribution of X, batch_shape [].
        affine: the map, A = a Q.
        scale: a.
        kernel: Gaussian kernel, possibly a batch.
    """

    def __init__(
        self, base: Distribution, affine: AffineMap, scale: float, kernel: GaussianKernel
    ) -> None:
        log_heights, squared_widths = heights_and_widths(kernel)
        narrowed = psd_kernels.ExponentiatedQuadratic(
            tf.exp(0.5 * log_heights), tf.sqrt(squared_widths) / scale
        )
        self._base = embed(base, narrowed)
        self._inverse, self._shift = affine.matrix / scale**2, affine.shift

    def evaluate(self, points: tf.Tensor) -> tf.Tensor:
        """Returns mu at `points`."""
        offsets = tf.cast(points, tf.float64) - constant(self._shift, tf.float64)
        inverse = constant(self._inverse, tf.float64)
        return tf.cast(self._base.evaluate(tf.matmul(offsets, inverse)), points.dtype)

    def norm(self) -> tf.Tensor:
        """Returns E k(X, Y)."""
        return self._base.norm()


@RegisterMeanEmbedding(tfd.TransformedDistribution, psd_kernels.ExponentiatedQuadratic)
def _transformed(distribution: Any, kernel: GaussianKernel) -> MeanEmbedding:
    if distribution.event_shape.rank != 1:
        # Coordinates of a law such as `tfd.Moyal`, which is the image of another.
        raise missing_rule(distribution, kernel)
    embedding = _of_gaussians(distribution, kernel)
    if embedding is not None:
        return embedding
    affine = affine_map(distribution)
    known = None if affine is None else tf.get_static_value(affine.matrix)
    if affine is None or known is None or known.ndim != 2:
        raise NotImplementedError(
            "Expected the bijector of `distribution` to be a chain of tfb.Shift, Scale, "
            f"ScaleMatvec* and Permute, of constants. Received: {distribution!r}."
        )
    square = known.T @ known
    scale = float(np.sqrt(np.trace(square) / len(square)))
    if np.abs(square - scale**2 * np.eye(len(square))).max() > _TOLERANCE * scale**2:
        raise NotImplementedError(
            "Expected the bijector of `distribution` to scale all directions alike where its base "
            "is no mixture of Gaussians; scale the parameters of the base. "
            f"Received: {distribution!r}."
        )
    return SimilarEmbedding(distribution.distribution, affine, scale, kernel)


@RegisterMeanEmbedding(tfd.TransformedDistribution, FourierFeatures)
def _features(distribution: Any, kernel: FourierFeatures) -> MeanEmbedding:
    embedding = _of_gaussians(distribution, kernel)
    if embedding is None:
        raise NotImplementedError(
            "Expected `distribution` to be an affine image of Gaussians under FourierFeatures. "
            f"Received: {distribution!r}."
        )
    return embedding


def _of_gaussians(distribution: Any, kernel: Kernel) -> MeanEmbedding | None:
    """Gives the embedding of an affine image of Gaussians or their mixtures, else None."""
    parts = gaussian_parts(distribution) if distribution.event_shape.rank == 1 else None
    if parts is None:
        return None
    factors = tf.linalg.cholesky(parts.covariances)
    return MixtureEmbedding(
        parts.weights, embed(tfd.MultivariateNormalTriL(parts.locs, factors), kernel)
    )


@RegisterMeanEmbedding(
    tfd.MultivariateNormalDiagPlusLowRankCovariance, psd_kernels.PositiveSemidefiniteKernel
)
def _low_rank(distribution: Distribution, kernel: Kernel) -> MeanEmbedding:
    factor = tf.linalg.cholesky(tf.cast(distribution.covariance(), tf.float64))
    mean = tf.cast(distribution.mean(), tf.float64)
    return embed(tfd.MultivariateNormalTriL(mean, factor), kernel)
