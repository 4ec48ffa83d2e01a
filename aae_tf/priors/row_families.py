"""Row families: distributions whose samples are element-wise functions of random bits."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import special

from aae_tf.priors import counter_based

tfd = tfp.distributions


@dataclasses.dataclass(frozen=True)
class RowFamily:
    """A distribution, or a mixture of such distributions, or a mixture of such mixtures.

    Each level of `levels` draws a component. The components together select a row of `tables`, from
    which `combine` makes the sample.

    Attributes:
        noise: maps random bits to float64 noise of the same shape; None where the sample is the
            selected row itself.
        combine: maps the noise [n, dim] and the selected rows of the tables to float64 [n, dim].
        tables: float64 [..., dim] or [..., dim, dim], the leading axes one for each level.
        levels: for each level, from the outermost, the probability of the components up to and
            including this one: float64 [..., components - 1], a leading axis for each level before.
    """

    noise: Callable[[tf.Tensor], tf.Tensor] | None
    combine: Callable[..., tf.Tensor]
    tables: tuple[np.ndarray, ...]
    levels: tuple[np.ndarray, ...] = ()

    def sample(self, seeds: tf.Tensor, labels: tf.Tensor | None = None) -> tf.Tensor:
        """Draws a row for each seed.

        Args:
            seeds: int64 [n].
            labels: int64 [n], the components of the outermost level; where a label names none, or
                `labels` is None, the component is drawn.

        Returns:
            float32 [n, dim].
        """
        dim = 0 if self.noise is None else self.tables[0].shape[-1]
        bits = counter_based.random_bits(seeds, dim + len(self.levels))
        row: tf.Tensor | None = None
        for depth, cumulative in enumerate(self.levels):
            draw = counter_based.uniform(bits[:, dim + depth : dim + depth + 1])
            component = draw_class(draw, _select(cumulative, depth, row))
            if depth == 0 and labels is not None:
                component = label_or_drawn(labels, component, cumulative.shape[-1] + 1)
            if row is not None:
                component += row * (cumulative.shape[-1] + 1)
            row = component
        noise = None if self.noise is None else self.noise(bits[:, :dim])
        rows = (_select(table, len(self.levels), row) for table in self.tables)
        return tf.cast(self.combine(noise, *rows), tf.float32)


def row_family(distribution: Any) -> RowFamily | None:
    """Makes the family of a distribution by the rule of its nearest parent class.

    Args:
        distribution: `tfd.Distribution` whose parameters are known values.

    Returns:
        The family, with one level for each nested mixture; None if there is no rule.
    """
    return _apply(_RULES, distribution)


def known_row_family(distribution: Any) -> RowFamily | None:
    """Makes the family outside the traced graph, unless a parameter can change in the graph.

    Args:
        distribution: `tfd.Distribution`.

    Returns:
        The family; None if there is no rule, or a parameter is a variable or symbolic.
    """
    if distribution.variables or has_symbolic_parameters(distribution):
        return None
    # Inside a tf.function the parameters are read now, not on every call.
    with tf.init_scope():
        return row_family(distribution)


def seeds_of_rows(shape: Any, seed: Any) -> tf.Tensor:
    """Draws a seed for each row of a batch, int64 of `shape`, from one stateless seed [2]."""
    return tf.random.stateless_uniform(shape, seed, None, None, tf.int64)


def has_symbolic_parameters(distribution: Any) -> bool:
    """Tells whether a parameter is a tensor of a graph."""
    parameters = tf.nest.flatten(distribution, expand_composites=True)
    return any(tf.is_symbolic_tensor(parameter) for parameter in parameters)


def cumulate(probs: Any) -> np.ndarray:
    """Computes the distribution function of K classes, without its last value.

    Args:
        probs: [..., K], of any sum.

    Returns:
        float64 [..., K - 1]; the last value, 1, is left out.
    """
    sums = np.cumsum(_values(probs), axis=-1)
    return (sums / sums[..., -1:])[..., :-1]


def draw_class(draw: tf.Tensor, cumulative: Any) -> tf.Tensor:
    """Draws a class by inversion: counts the values of the distribution function up to a number.

    Args:
        draw: float64 [n, 1], uniform in (0, 1).
        cumulative: float64 [K - 1] or [n, K - 1].

    Returns:
        int64 [n], 0 ... K - 1.
    """
    return tf.reduce_sum(tf.cast(draw >= cumulative, tf.int64), axis=-1)


def label_or_drawn(labels: tf.Tensor, drawn: tf.Tensor, count: int) -> tf.Tensor:
    """Returns labels where they name one of `count` components, and drawn components elsewhere."""
    return tf.where((labels >= 0) & (labels < count), labels, drawn)


def _select(table: np.ndarray, depth: int, row: tf.Tensor | None) -> Any:
    if row is None:
        return table
    # Not -1: the distribution function of a level of one component is empty.
    count = math.prod(table.shape[:depth])
    return tf.gather(table.reshape(count, *table.shape[depth:]), row)


def _apply(rules: dict[type, Any], distribution: Any) -> RowFamily | None:
    cls = type(distribution)
    # A subclass outside of TensorFlow Probability may sample differently from its parent.
    if not cls.__module__.startswith("tensorflow_probability."):
        return None
    rule = next((rules[parent] for parent in cls.__mro__ if parent in rules), None)
    return None if rule is None else rule(distribution)


def _shift_and_scale(noise: tf.Tensor, loc: Any, scale: Any) -> tf.Tensor:
    if len(scale.shape) == len(loc.shape):
        return loc + scale * noise
    # Column by column, since the rounding of a matrix product may depend on the number of rows.
    rows = loc
    for j in range(loc.shape[-1]):
        rows = rows + scale[..., j] * noise[:, j : j + 1]
    return rows


def _normalize(noise: tf.Tensor, radius: Any) -> tf.Tensor:
    # Column by column, as above.
    columns = tf.unstack(tf.square(noise), axis=-1)
    return radius * noise / tf.sqrt(sum(columns[1:], columns[0]))[:, tf.newaxis]


def _threshold(noise: tf.Tensor, probs: Any) -> tf.Tensor:
    return tf.cast(noise < probs, tf.float64)


def _point(noise: None, loc: tf.Tensor) -> tf.Tensor:
    return loc


def _multivariate_normal(distribution: Any) -> RowFamily:
    loc, scale = _values(distribution.mean()), _values(distribution.scale.to_dense())
    diagonal = np.diagonal(scale, axis1=-2, axis2=-1)
    if np.count_nonzero(scale) == np.count_nonzero(diagonal):
        scale = np.broadcast_to(diagonal, loc.shape)
    else:
        scale = np.broadcast_to(scale, [*loc.shape, loc.shape[-1]])
    return RowFamily(counter_based.normal, _shift_and_scale, (loc, scale))


def _one_hot_categorical(distribution: Any) -> RowFamily:
    cumulative = cumulate(_probabilities(distribution))
    dim = cumulative.shape[-1] + 1
    points = np.broadcast_to(np.eye(dim), [*cumulative.shape[:-1], dim, dim])
    return RowFamily(None, _point, (points,), (cumulative,))


def _independent(distribution: Any) -> RowFamily | None:
    return _apply(_SCALAR_RULES, distribution.distribution)


def _sample(distribution: Any) -> RowFamily | None:
    scalar = _apply(_SCALAR_RULES, distribution.distribution)
    if scalar is None:
        return None
    shape = [*distribution.batch_shape, *distribution.event_shape]
    tables = tuple(np.broadcast_to(table[..., np.newaxis], shape) for table in scalar.tables)
    return dataclasses.replace(scalar, tables=tables)


def _mixture(distribution: Any) -> RowFamily | None:
    family = row_family(distribution.components_distribution)
    if family is None:
        return None
    cumulative = cumulate(_probabilities(distribution.mixture_distribution))
    # One distribution function may serve a whole batch of mixtures.
    shape = [*distribution.components_distribution.batch_shape[:-1], cumulative.shape[-1]]
    return dataclasses.replace(family, levels=(np.broadcast_to(cumulative, shape), *family.levels))


def _normal(distribution: Any) -> RowFamily:
    loc, scale = np.broadcast_arrays(_values(distribution.loc), _values(distribution.scale))
    return RowFamily(counter_based.normal, _shift_and_scale, (loc, scale))


def _uniform(distribution: Any) -> RowFamily:
    low, high = np.broadcast_arrays(_values(distribution.low), _values(distribution.high))
    # Rounding to float32 could give `high`, which is outside of the support.
    last = np.nextafter(high.astype(np.float32), np.float32(-np.inf)).astype(np.float64)
    return RowFamily(counter_based.uniform, _shift_and_scale, (low, last - low))


def _bernoulli(distribution: Any) -> RowFamily:
    return RowFamily(counter_based.uniform, _threshold, (_values(distribution.probs_parameter()),))


def _spherical_uniform(distribution: Any) -> RowFamily:
    shape = [*distribution.batch_shape, *distribution.event_shape]
    return RowFamily(counter_based.normal, _normalize, (np.ones(shape),))


def _probabilities(distribution: Any) -> np.ndarray:
    if distribution.probs is None:
        return special.softmax(_values(distribution.logits), axis=-1)
    return _values(distribution.probs)


def _values(tensor: Any) -> np.ndarray:
    return np.asarray(tensor, np.float64)


_Rules = dict[type, Callable[[Any], RowFamily | None]]
# Rules for arrays of scalars, which `tfd.Independent` and `tfd.Sample` make vectors of.
_SCALAR_RULES: _Rules = {
    tfd.Normal: _normal,
    tfd.Uniform: _uniform,
    tfd.Bernoulli: _bernoulli,
}
# For `Independent`, `Sample` and `MixtureSameFamily`, the private parents are the classes of
# instances.
_RULES: _Rules = {
    tfd.MultivariateNormalLinearOperator: _multivariate_normal,
    tfd.OneHotCategorical: _one_hot_categorical,
    tfd.SphericalUniform: _spherical_uniform,
    tfd.Independent.__mro__[1]: _independent,
    tfd.Sample.__mro__[1]: _sample,
    tfd.MixtureSameFamily.__mro__[1]: _mixture,
}
