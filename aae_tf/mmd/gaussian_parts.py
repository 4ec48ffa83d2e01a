"""Distributions that are Gaussians, mixtures of them, or affine images of either."""

from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.arguments import Distribution
from aae_tf.mmd.registry import instance_class

tfd = tfp.distributions
tfb = tfp.bijectors

# The classes of instances: `tfd.Independent(...)` may be an instance of a private parent.
_MIXTURE: Any = instance_class(tfd.MixtureSameFamily)
_MULTIVARIATE_NORMAL: Any = instance_class(tfd.MultivariateNormalLinearOperator)
_NORMAL: Any = instance_class(tfd.Normal)
_INDEPENDENT: Any = instance_class(tfd.Independent)
_SAMPLE: Any = instance_class(tfd.Sample)
_TRANSFORMED: Any = instance_class(tfd.TransformedDistribution)
_CHAIN, _INVERT = tfb.Chain.__bases__[0], tfb.Invert.__bases__[0]
_AFFINE = (
    *(tfb.Identity, tfb.Shift, tfb.Scale, tfb.Permute, tfb.ScaleMatvecLU),
    # The base of those of matrices in any form.
    tfb.ScaleMatvecLinearOperator.__bases__[0],
)

# A power of two, which rounds nothing.
_LENGTH = 2.0**20


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
    """Flattens a mixture of Gaussians, however nested; gradients reach its parameters.

    Args:
        distribution: `tfd.Distribution` with event_shape [d], possibly a batch.

    Returns:
        The Gaussians and their weights; a single one for a multivariate normal, and for a
        `tfd.Sample` or `tfd.Independent` of `tfd.Normal`. None if `distribution` is neither one of
        these, nor a `tfd.MixtureSameFamily` of them, nor their image under an affine bijector.

    Example:

    >>> from aae_tf import priors
    >>> parts = gaussian_parts(priors.swiss_roll(num_components=4, points_per_component=25))
    >>> parts.weights.shape, parts.covariances.shape
    (TensorShape([100]), TensorShape([100, 2, 2]))
    """
    if isinstance(distribution, _MIXTURE):
        return _parts_of_mixture(distribution)
    if isinstance(distribution, _MULTIVARIATE_NORMAL):
        scale = tf.cast(distribution.scale.to_dense(), tf.float64)
        covariance = tf.matmul(scale, scale, transpose_b=True)
        return _single_part(distribution, distribution.mean(), covariance)
    if isinstance(distribution, tfd.MultivariateNormalDiagPlusLowRankCovariance):
        covariance = tf.cast(distribution.covariance(), tf.float64)
        return _single_part(distribution, distribution.mean(), covariance)
    if isinstance(distribution, _TRANSFORMED):
        return _transformed_parts(distribution)
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
    return _single_part(distribution, loc, tf.linalg.diag(variance))


def _single_part(distribution: Any, loc: tf.Tensor, covariance: tf.Tensor) -> GaussianParts:
    batch_shape, event_shape = distribution.batch_shape, distribution.event_shape
    loc = tf.broadcast_to(tf.cast(loc, tf.float64), batch_shape + event_shape)
    covariance = tf.broadcast_to(covariance, batch_shape + event_shape + event_shape)
    return GaussianParts(
        tf.ones([*batch_shape, 1], tf.float64),
        loc[..., tf.newaxis, :],
        covariance[..., tf.newaxis, :, :],
    )


def _parts_of_mixture(distribution: Any) -> GaussianParts | None:
    if distribution.event_shape.rank != 1:
        return None
    inner = gaussian_parts(distribution.components_distribution)
    if inner is None:
        return None
    weights = tf.cast(distribution.mixture_distribution.probs_parameter(), tf.float64)
    weights /= tf.reduce_sum(weights, axis=-1, keepdims=True)
    # The J Gaussians of each of K components, batch_shape + [K, J], become batch_shape + [K J].
    *batch_shape, outer, count, dimension = inner.locs.shape
    shape = [*batch_shape, outer * count]
    return GaussianParts(
        tf.reshape(weights[..., tf.newaxis] * inner.weights, shape),
        tf.reshape(inner.locs, [*shape, dimension]),
        tf.reshape(inner.covariances, [*shape, dimension, dimension]),
    )


def _transformed_parts(distribution: Any) -> GaussianParts | None:
    affine = affine_map(distribution)
    parts = None if affine is None else gaussian_parts(distribution.distribution)
    if affine is None or parts is None:
        return None
    # One map for all Gaussians of a mixture.
    matrix, shift = affine.matrix[..., tf.newaxis, :, :], affine.shift[..., tf.newaxis, :]
    covariances = tf.matmul(tf.matmul(matrix, parts.covariances), matrix, transpose_b=True)
    return GaussianParts(
        tf.broadcast_to(parts.weights, covariances.shape[:-2]),
        tf.linalg.matvec(matrix, parts.locs) + shift,
        covariances,
    )


class AffineMap(NamedTuple):
    """x to A x + c.

    Attributes:
        matrix: float64 batch_shape + [d, d], A.
        shift: float64 batch_shape + [d], c.
    """

    matrix: tf.Tensor
    shift: tf.Tensor


def affine_map(distribution: Any) -> AffineMap | None:
    """Reads the map of a `tfd.TransformedDistribution` of vectors, if its bijector is affine.

    Args:
        distribution: `tfd.TransformedDistribution`, possibly a batch.

    Returns:
        The map; None if the bijector is not one of `tfb.Shift`, `Scale`, `ScaleMatvec*`, `Permute`
        and `Identity`, their inverses and chains, or the events are no vectors.
    """
    bijector, event_shape = distribution.bijector, distribution.event_shape
    if event_shape.rank != 1 or not _is_affine(bijector):
        return None
    shape = [*distribution.batch_shape, event_shape[0]]
    dtype = tf.as_dtype(distribution.dtype)
    shift = tf.cast(bijector.forward(tf.zeros(shape, dtype)), tf.float64)
    ones = [1] * distribution.batch_shape.rank
    units = tf.reshape(tf.eye(event_shape[0], dtype=dtype), [-1, *ones, event_shape[0]])
    # The image of each unit vector is a column of the matrix. Long ones keep the digits that a far
    # shift would take in float32.
    vectors = _LENGTH * tf.broadcast_to(units, [event_shape[0], *shape])
    images = (tf.cast(bijector.forward(vectors), tf.float64) - shift) / _LENGTH
    columns = tf.broadcast_to(images, [event_shape[0], *shape])
    order = [*range(1, len(shape) + 1), 0]
    return AffineMap(tf.transpose(columns, order), tf.broadcast_to(shift, shape))


def _is_affine(bijector: Any) -> bool:
    if isinstance(bijector, _CHAIN):
        return all(map(_is_affine, bijector.bijectors))
    if isinstance(bijector, _INVERT):
        return _is_affine(bijector.bijector)
    return isinstance(bijector, _AFFINE)
