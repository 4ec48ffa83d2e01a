"""Samples in which each row is a function of its own seed alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import special

from aae_tf.priors import counter_based

tfd = tfp.distributions


def sample_rows(distribution: Any, seeds: Any) -> tf.Tensor:
    """Draw one sample per seed; row i depends on seeds[i] alone, to the last bit.

    The same seed gives the same row alone, in any batch, at any place, eagerly or inside a
    SavedModel.

    Gaussians (`tfd.MultivariateNormal*` with a location and a scale), `tfd.Independent` and
    `tfd.Sample` of `tfd.Normal` or `tfd.Uniform`, and `tfd.MixtureSameFamily` of these take a fast
    path, loc + scale noise in element-wise operations, with noise from a hash of the seed (see
    `counter_based`); its bits are the same on every device, unless XLA contracts a product and a
    sum. Any other distribution is sampled row by row, in a loop, by TensorFlow Probability with
    the hash of the seed as its stateless seed; its last bits may differ between devices.

    Args:
        distribution: `tfd.Distribution` with event_shape [dim] and batch_shape [], whose parameters
            are constants.
        seeds: int64 [n], any values; n may be 0.

    Returns:
        float32 [n, dim].

    Raises:
        TypeError: if `distribution` is no `tfd.Distribution`.
        ValueError: if the distribution has another event or batch shape, or has variables or
            symbolic tensors for parameters.

    Example:
        >>> import tensorflow_probability as tfp
        >>> prior = tfp.distributions.Sample(tfp.distributions.Normal(0.0, 1.0), [2])
        >>> together = sample_rows(prior, [7, 8])
        >>> bool(tf.reduce_all(sample_rows(prior, [8]) == together[1]))
        True
    """
    if not isinstance(distribution, tfd.Distribution):
        raise TypeError(
            "Expected `distribution` to be a tfd.Distribution. "
            f"Received: distribution={distribution!r}."
        )
    # A joint distribution has a structure of shapes instead of a shape.
    ranks = [getattr(s, "rank", None) for s in (distribution.event_shape, distribution.batch_shape)]
    if ranks != [1, 0]:
        raise ValueError(
            "Expected `distribution` to have event_shape [dim] and batch_shape []. Received: "
            f"event_shape={distribution.event_shape}, batch_shape={distribution.batch_shape}."
        )
    if distribution.variables:
        raise ValueError(
            "Expected `distribution` to have constant parameters, because an exported function "
            f"contains them. Received: variables={distribution.variables!r}."
        )
    parameters = tf.nest.flatten(distribution, expand_composites=True)
    if any(tf.is_symbolic_tensor(parameter) for parameter in parameters):
        raise ValueError(
            "Expected `distribution` to be built outside of tf.function and of graphs. "
            f"Received: distribution={distribution!r}, with symbolic parameters."
        )
    seeds = tf.convert_to_tensor(seeds, tf.int64)
    # Inside a tf.function the parameters are read now, not on every call.
    with tf.init_scope():
        family = _location_scale(distribution)
    return _sample_each_row(distribution, seeds) if family is None else family.sample(seeds)


@dataclasses.dataclass(frozen=True)
class _LocationScale:
    """x = loc + scale noise, for one distribution or for each component of a mixture.

    Attributes:
        noise: maps random bits to float64 noise of the same shape.
        loc: float64 [..., dim].
        scale: float64 [..., dim] where it acts element by element, or [..., dim, dim].
        cumulative: float64 [components - 1] where the leading axis of `loc` and `scale` counts
            components: the probability of the components up to and including this one.
    """

    noise: Callable[[tf.Tensor], tf.Tensor]
    loc: np.ndarray
    scale: np.ndarray
    cumulative: np.ndarray | None = None

    def sample(self, seeds: tf.Tensor) -> tf.Tensor:
        dim = self.loc.shape[-1]
        bits = counter_based.random_bits(seeds, dim + 1)
        noise = self.noise(bits[:, :dim])
        component: tf.Tensor | None = None
        if self.cumulative is not None:
            passed = counter_based.uniform(bits[:, dim:]) >= self.cumulative
            component = tf.reduce_sum(tf.cast(passed, tf.int64), axis=-1)

        def select(table: np.ndarray) -> Any:
            return table if component is None else tf.gather(table, component)

        rows = select(self.loc)
        if self.scale.ndim == self.loc.ndim:
            rows += select(self.scale) * noise
        else:
            # Column by column: the rounding of a matrix product may depend on the number of rows.
            for j in range(dim):
                rows += select(self.scale[..., j]) * noise[:, j : j + 1]
        return tf.cast(rows, tf.float32)


def _location_scale(distribution: Any) -> _LocationScale | None:
    rule = _find(_RULES, distribution)
    return None if rule is None else rule(distribution)


def _find(rules: dict[type, Any], distribution: Any) -> Any:
    """Find the rule for the nearest parent: `tfd.Sample(...)` may return a private parent."""
    cls = type(distribution)
    # A subclass from elsewhere may sample otherwise than its parent.
    if not cls.__module__.startswith("tensorflow_probability."):
        return None
    return next((rules[parent] for parent in cls.__mro__ if parent in rules), None)


def _multivariate_normal(distribution: Any) -> _LocationScale:
    loc, scale = _values(distribution.mean()), _values(distribution.scale.to_dense())
    diagonal = np.diagonal(scale, axis1=-2, axis2=-1)
    if np.count_nonzero(scale) == np.count_nonzero(diagonal):
        return _LocationScale(counter_based.normal, loc, np.broadcast_to(diagonal, loc.shape))
    scale = np.broadcast_to(scale, [*loc.shape, loc.shape[-1]])
    return _LocationScale(counter_based.normal, loc, scale)


def _independent(distribution: Any) -> _LocationScale | None:
    rule = _find(_SCALAR_RULES, distribution.distribution)
    return None if rule is None else rule(distribution.distribution)


def _sample(distribution: Any) -> _LocationScale | None:
    rule = _find(_SCALAR_RULES, distribution.distribution)
    if rule is None:
        return None
    scalar = rule(distribution.distribution)
    shape = [*distribution.batch_shape, *distribution.event_shape]
    loc, scale = (
        np.broadcast_to(values[..., np.newaxis], shape) for values in (scalar.loc, scalar.scale)
    )
    return _LocationScale(scalar.noise, loc, scale)


def _mixture(distribution: Any) -> _LocationScale | None:
    family = _location_scale(distribution.components_distribution)
    weights = distribution.mixture_distribution
    if family is None or weights.batch_shape.rank != 0:
        return None
    if weights.probs is None:
        probs = special.softmax(_values(weights.logits))
    else:
        probs = _values(weights.probs)
    cumulative = np.cumsum(probs) / np.sum(probs)
    return dataclasses.replace(family, cumulative=cumulative[:-1])


def _normal(distribution: Any) -> _LocationScale:
    loc, scale = np.broadcast_arrays(_values(distribution.loc), _values(distribution.scale))
    return _LocationScale(counter_based.normal, loc, scale)


def _uniform(distribution: Any) -> _LocationScale:
    low, high = np.broadcast_arrays(_values(distribution.low), _values(distribution.high))
    # `high` is outside of the support, but what comes within half a step of it is rounded to it.
    last = np.nextafter(high.astype(np.float32), np.float32(-np.inf)).astype(np.float64)
    return _LocationScale(counter_based.uniform, low, last - low)


def _values(tensor: Any) -> np.ndarray:
    return np.asarray(tensor, np.float64)


# Scalar families describe an array of scalars instead of vectors.
_SCALAR_RULES = {tfd.Normal: _normal, tfd.Uniform: _uniform}
# The private parents of the public `Independent`, `Sample` and `MixtureSameFamily`.
_RULES: dict[type, Callable[[Any], _LocationScale | None]] = {
    tfd.MultivariateNormalLinearOperator: _multivariate_normal,
    tfd.Independent.__mro__[1]: _independent,
    tfd.Sample.__mro__[1]: _sample,
    tfd.MixtureSameFamily.__mro__[1]: _mixture,
}


def _sample_each_row(distribution: Any, seeds: tf.Tensor) -> tf.Tensor:
    # The loop keeps every row a computation of its own, with shapes that do not depend on n.
    row = tf.TensorSpec([distribution.event_shape[0]], tf.float32)

    @tf.function(autograph=False)
    def sample_all(pairs: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(
            lambda pair: tf.cast(distribution.sample(seed=pair), tf.float32),
            pairs,
            fn_output_signature=row,
        )

    return sample_all(tf.bitcast(counter_based.random_bits(seeds, 1)[:, 0], tf.int32))
