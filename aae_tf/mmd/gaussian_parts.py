"""Mixtures of Gaussians, of any class and however nested, as one flat mixture."""

from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.registry import instance_class
from aae_tf.mmd.types import Distribution

tfd = tfp.distributions

# `tfd.Independent(...)` and its like may be instances of a private parent.
_MIXTURE: Any = instance_class(tfd.MixtureSameFamily)
_MULTIVARIATE_NORMAL: Any = instance_class(tfd.MultivariateNormalLinearOperator)
_NORMAL: Any = instance_class(tfd.Normal)
_INDEPENDENT: Any = instance_class(tfd.Independent)
_SAMPLE: Any = instance_class(tfd.Sample)


class GaussianParts(NamedTuple):
    """A mixture of K Gaussians on vectors of length d, or a batch of such mixtures.

    Attributes:
        weights: float64 batch_shape + [K], of sum one.
        locs: float64 batch_shape + [K, d], the means.
        covariances: float64 batch_shape + [K, d, d].
    """

    weights: tf.Tensor
    locs: tf.Tensor
    covariances: tf.Tensor


def gaussian_parts(distribution: Distribution) -> GaussianParts | None:
    """Takes a distribution apart into the Gaussians that it mixes; gradients reach its parameters.

    Args:
        distribution: `tfd.Distribution` with event_shape [d], possibly a batch.

    Returns:
        Its parts, one for a Gaussian; None if it is no Gaussian, made as a multivariate normal or
        from scalar normals by `tfd.Sample` or `tfd.Independent`, nor a `tfd.MixtureSameFamily` of
        such distributions.

    Example:

    >>> from aae_tf import priors
    >>> parts = gaussian_parts(priors.swiss_roll(num_components=4, points_per_component=25))
    >>> parts.weights.shape, parts.covariances.shape
    (TensorShape([100]), TensorShape([100, 2, 2]))
    """
    if isinstance(distribution, _MIXTURE):
        return _of_mixture(distribution)
    if isinstance(distribution, _MULTIVARIATE_NORMAL):
        scale = tf.cast(distribution.scale.to_dense(), tf.float64)
        covariance = tf.matmul(scale, scale, transpose_b=True)
        return _one(distribution, distribution.mean(), covariance)
    if not isinstance(distribution, (_INDEPENDENT, _SAMPLE)):
        return None
    base = distribution.distribution
    if base.event_shape.rank == 1:
        return gaussian_parts(base)
    if not isinstance(base, _NORMAL):
        return None
    loc, scale = (tf.cast(value, tf.float64) for value in (base.loc, base.scale))
    if isinstance(distribution, _SAMPLE):
        # The coordinates of a sample share the parameters of its base.
        loc, scale = loc[..., tf.newaxis], scale[..., tf.newaxis]
    shape = distribution.batch_shape + distribution.event_shape
    variance = tf.square(tf.broadcast_to(scale, shape))
    return _one(distribution, loc, tf.linalg.diag(variance))


def _one(distribution: Any, loc: tf.Tensor, covariance: tf.Tensor) -> GaussianParts:
    batch_shape, event_shape = distribution.batch_shape, distribution.event_shape
    loc = tf.broadcast_to(tf.cast(loc, tf.float64), batch_shape + event_shape)
    covariance = tf.broadcast_to(covariance, batch_shape + event_shape + event_shape)
    return GaussianParts(
        tf.ones([*batch_shape, 1], tf.float64),
        loc[..., tf.newaxis, :],
        covariance[..., tf.newaxis, :, :],
    )


def _of_mixture(distribution: Any) -> GaussianParts | None:
    if distribution.event_shape.rank != 1:
        return None
    inner = gaussian_parts(distribution.components_distribution)
    if inner is None:
        return None
    weights = tf.cast(distribution.mixture_distribution.probs_parameter(), tf.float64)
    weights /= tf.reduce_sum(weights, axis=-1, keepdims=True)
    # The parts of the components: batch_shape + [K, J] become batch_shape + [K J].
    *batch_shape, outer, count, dimension = inner.locs.shape
    shape = [*batch_shape, outer * count]
    return GaussianParts(
        tf.reshape(weights[..., tf.newaxis] * inner.weights, shape),
        tf.reshape(inner.locs, [*shape, dimension]),
        tf.reshape(inner.covariances, [*shape, dimension, dimension]),
    )
