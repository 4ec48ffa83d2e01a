"""`ColumnLosses`: the loss of each column of a table, and their sum."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf.checks import check_non_negative
from aae_tf.tables.column import Column
from aae_tf.tables.features import LARGEST_LOG_COUNT
from aae_tf.tables.schema import TableSchema

# A count of zero comes back from its feature as some 1e-8.
_SMALLEST = 1e-30


@keras.saving.register_keras_serializable(package="aae_tf")
class ColumnLosses:
    """Compares the features of a table with a decoder's outputs, column by column.

    - numeric, date: 0.5 (z - z')^2 in units of the standardized column, a Gaussian's;
    - count: half the deviance of a negative binomial distribution of the schema's dispersion, or
      of a Poisson distribution where that is 0;
    - boolean: the Bernoulli cross-entropy; categorical: the cross-entropy of a softmax.

    Where a value may be missing, the cross-entropy of the flag is added, and a missing value itself
    is not compared. Every column is divided by twice the loss of its best constant output, so that
    each counts 1/2 before anything is learned; a numeric column stays as it is. Outputs are laid
    out as `networks.TableColumns` reads them. It is the default `reconstruction_loss` of a model
    with a table, and may be given to `compile` with weights.

    Args:
        schema: the `TableSchema`, or its JSON.
        weights: factors of columns by name, zero or more, beside that; 1 for those left out.

    Attributes:
        names: names of the columns.

    Raises:
        ValueError: if a weight is of no column, or negative.

    Example:

    >>> schema = TableSchema.infer({"size": [1.5, 3.5], "color": ["red", "blue"]})
    >>> loss = ColumnLosses(schema, weights={"color": 2.0})
    >>> features = np.float32([[1, 0, 0, 0, 1, 0]])
    >>> outputs = np.float32([[0, -99, -99, 0, 0, -99]])
    >>> loss.per_column(features, outputs).numpy()
    array([[0.5, 1. ]], dtype=float32)
    """

    def __init__(
        self, schema: TableSchema | str, weights: Mapping[str, float] | None = None
    ) -> None:
        self.schema = TableSchema.from_json(schema) if isinstance(schema, str) else schema
        self.weights = dict(weights or {})
        self.names: tuple[str, ...] = self.schema.names
        columns, slices = self.schema.columns, self.schema.slices
        self._flagged = [column for column in columns if column.kind != "categorical"]
        categorical = [column for column in columns if column.kind == "categorical"]
        self._categorical = [slices[column.name] for column in categorical]
        measured = [column.name for column in (*self._flagged, *categorical)]
        self._order = [measured.index(name) for name in self.names]
        for name, weight in self.weights.items():
            if name not in self.names:
                raise ValueError(
                    f"Expected `weights` to name columns: {', '.join(map(repr, self.names))}. "
                    f"Received: {name!r}."
                )
            check_non_negative(f"weights[{name!r}]", weight)
        self._factors = np.array(
            [0.5 * self.weights.get(column.name, 1.0) / column.baseline for column in columns],
            np.float32,
        )

    def __call__(self, targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each column, float32 [batch, columns]; a step sums it over them."""
        return self.per_column(targets, outputs)

    def per_column(self, targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each column.

        Args:
            targets: float32 [batch, schema.width], features of the table.
            outputs: float32 [batch, schema.width], a decoder's.

        Returns:
            float32 [batch, columns], weighted nats.
        """
        parts: list[tf.Tensor] = []
        if self._flagged:
            parts.append(self._flagged_losses(targets, outputs))
        parts += [
            tf.nn.softmax_cross_entropy_with_logits(targets[:, place], outputs[:, place])[:, None]
            for place in self._categorical
        ]
        return tf.gather(tf.concat(parts, axis=1), self._order, axis=1) * self._factors

    def _flagged_losses(self, targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Gives the losses of all columns with a value and a flag, [batch, columns]."""
        starts = np.array([self.schema.slices[column.name].start for column in self._flagged])
        value, output = (tf.gather(each, starts, axis=1) for each in (targets, outputs))
        flag, logit = (tf.gather(each, starts + 1, axis=1) for each in (targets, outputs))
        # One after the other, where there are columns of the kind: fewer operations than for each
        # column apart.
        loss = 0.5 * tf.math.squared_difference(value, output)
        kinds = np.array([column.kind for column in self._flagged])
        if "boolean" in kinds:
            loss = tf.where(kinds == "boolean", _binary_cross_entropy(value, output), loss)
        for is_poisson in (True, False):
            places = [
                i
                for i, column in enumerate(self._flagged)
                if column.kind == "count" and (column.dispersion == 0.0) == is_poisson
            ]
            if places:
                of_counts = _count_losses(
                    [self._flagged[i] for i in places],
                    tf.gather(value, places, axis=1),
                    tf.gather(output, places, axis=1),
                )
                # To the places of their columns; the other places are not chosen.
                spread = [places.index(i) if i in places else 0 for i in range(len(kinds))]
                chosen = np.isin(np.arange(len(kinds)), places)
                loss = tf.where(chosen, tf.gather(of_counts, spread, axis=1), loss)
        return (1.0 - flag) * loss + _binary_cross_entropy(flag, logit)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, the schema as JSON."""
        return {"schema": self.schema.to_json(), "weights": self.weights}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ColumnLosses":
        """Builds the losses from what `get_config` returned."""
        return cls(**config)


def _count_losses(columns: Sequence[Column], value: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
    """Gives half deviances [batch, columns]: all of them Poisson, or none."""
    mean, deviation, dispersion = (
        np.array([getattr(column, name) for column in columns], np.float32)
        for name in ("mean", "deviation", "dispersion")
    )
    count = tf.math.expm1(tf.minimum(value * deviation + mean, LARGEST_LOG_COUNT))
    logs = tf.clip_by_value(output * deviation + mean, -LARGEST_LOG_COUNT, LARGEST_LOG_COUNT)
    return half_deviance(tf.nn.relu(count), logs, None if not dispersion.any() else dispersion)


def _binary_cross_entropy(targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)


def half_deviance(
    counts: tf.Tensor, log_means: tf.Tensor, dispersion: np.ndarray | None
) -> tf.Tensor:
    """Gives log p(count | its own value as the mean) - log p(count | mean), nats, zero or more.

    Args:
        counts: float32 [batch, columns], zero or more.
        log_means: float32 [batch, columns].
        dispersion: float32 [columns], positive: the variance is m + dispersion * m^2; None is the
            Poisson distribution.
    """
    means = tf.exp(log_means)
    if dispersion is None:
        is_near = tf.abs(counts - means) < 0.5 * means
        # Its gradient must be finite where it is not chosen, too.
        safe = tf.where(is_near, means, tf.ones_like(means))
        near = tf.math.log1p(tf.where(is_near, (counts - safe) / safe, 0.0))
        apart = tf.math.log(tf.maximum(counts, _SMALLEST)) - log_means
        return counts * tf.where(is_near, near, apart) - (counts - means)
    size = 1.0 / dispersion
    shares = _log_quotient(counts + size, means + size, (counts - means) / (means + size))
    # The log of c (m + size) / (m (c + size)).
    apart = tf.math.log(tf.maximum(counts, _SMALLEST)) - log_means - shares
    excess = size * (counts - means) / (means * (counts + size))
    is_near = tf.abs(excess) < 0.5
    near = tf.math.log1p(tf.where(is_near, excess, 0.0))
    return counts * tf.where(is_near, near, apart) - size * shares


def _log_quotient(first: tf.Tensor, second: tf.Tensor, excess: tf.Tensor) -> tf.Tensor:
    """Gives log(first / second), with all digits where `excess`, first / second - 1, is small."""
    is_near = tf.abs(excess) < 0.5
    near = tf.math.log1p(tf.where(is_near, excess, 0.0))
    return tf.where(is_near, near, tf.math.log(first / second))
