"""Keras layers between the columns of a table and the features that networks take and give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf.tables import dates
from aae_tf.tables.column import Column
from aae_tf.tables.schema import TableSchema

# An infinite number becomes this many standard deviations: an anomaly whose answers are finite.
_LARGEST = 1e6
# log(1 + count) beyond which the exponential is cut off.
LARGEST_LOG_COUNT = 40.0
_BUCKETS = 2**63 - 1
_NUMBERS = ("numeric", "count", "boolean")
# Rows turned into features at a time.
_ROWS = 8192


class _TableLayer(keras.layers.Layer):
    """A layer without weights that knows a schema; it computes in float32 under any policy."""

    def __init__(self, schema: TableSchema, name: str | None = None, **kwargs: Any) -> None:
        # A schema comes back from a config as its JSON.
        self.schema = TableSchema.from_json(schema) if isinstance(schema, str) else schema
        super().__init__(name=name, **{**kwargs, "dtype": "float32", "trainable": False})
        self.built = True

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, the schema as JSON."""
        config = super().get_config()
        return {"name": self.name, "dtype": config["dtype"], "schema": self.schema.to_json()}


@keras.saving.register_keras_serializable(package="aae_tf")
class TableFeatures(_TableLayer):
    """Turns the columns of a table into features.

    A number, count, boolean or date becomes two features: its value and a flag that is 1 where it
    is missing. Numbers and dates are standardized, counts as log(1 + count); a missing value is
    replaced by the mean. A categorical column becomes a one-hot vector: an entry for values that
    the vocabulary lacks, one for each of the vocabulary, and one for missing.

    The vocabulary is searched by a hash of the text, and the text found is compared with the one
    that is looked for. No table of `tf.lookup` is needed: such a table is a resource that a server
    has to initialise, by operations that hold state, and Keras' StringLookup and FeatureSpace are
    made of them.

    Args:
        schema: the `TableSchema`, or its JSON.
        name: name of the layer.

    Inputs:
        dict of columns by name: float32 [batch], NaN where missing; string [batch] for dates and
        text, "" where missing. A date that does not parse is missing.

    Returns:
        float32 [batch, schema.width].

    Example:

    >>> schema = TableSchema.infer({"size": [1.5, 3.5], "color": ["red", "blue"]})
    >>> TableFeatures(schema)({"size": tf.constant([3.5, np.nan]),
    ...                        "color": tf.constant(["red", "?"])}).numpy()
    array([[1., 0., 0., 0., 1., 0.],
           [0., 1., 1., 0., 0., 0.]], dtype=float32)
    """

    def call(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns features [batch, width]."""
        columns = self.schema.columns
        numbers = [inputs[c.name] for c in columns if c.kind in _NUMBERS]
        others = [_features(c, inputs[c.name]) for c in columns if c.kind not in _NUMBERS]
        return _join(self.schema, tf.stack(numbers, axis=1) if numbers else None, others)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Returns the shape of the features."""
        return (None, self.schema.width)


@keras.saving.register_keras_serializable(package="aae_tf")
class TableColumns(_TableLayer):
    """Turns the outputs of a decoder of tables into columns.

    The outputs are laid out like the features of `TableFeatures`: standardized means of numbers
    and dates, standardized logarithms of the means of counts, logits of booleans, flags and
    categories. A value is missing where that is the more probable.

    Args:
        schema: the `TableSchema`, or its JSON.
        name: name of the layer.

    Inputs:
        float32 [batch, schema.width].

    Returns:
        dict of columns by name: float32 [batch] in the units of the column, the mean of a count, 0
        or 1 for a boolean, NaN where missing; string [batch]: the most probable category, a date in
        the form "2024-05-31T23:59:59", "" where missing.

    Example:

    >>> schema = TableSchema.infer({"size": [1.5, 3.5], "color": ["red", "blue"]})
    >>> outputs = tf.constant([[1.0, -9.0, -9.0, 0.5, 2.0, -9.0]])
    >>> {name: column.numpy() for name, column in TableColumns(schema)(outputs).items()}
    {'size': array([3.5], dtype=float32), 'color': array([b'red'], dtype=object)}
    """

    def call(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns columns by name."""
        columns, slices = self.schema.columns, self.schema.slices
        numbers = [c for c in columns if c.kind in _NUMBERS]
        found: dict[str, tf.Tensor] = {}
        if numbers:
            starts = np.array([slices[column.name].start for column in numbers])
            values, flags = (tf.gather(inputs, at, axis=1) for at in (starts, starts + 1))
            decoded = tf.where(flags > 0.0, np.float32(np.nan), _numbers(numbers, values))
            found = dict(zip([c.name for c in numbers], tf.unstack(decoded, axis=1), strict=True))
        return {
            c.name: found[c.name] if c.name in found else _value(c, inputs[:, slices[c.name]])
            for c in columns
        }


def compute_features(
    schema: TableSchema, columns: Mapping[str, np.ndarray], layer: Any = None
) -> np.ndarray:
    """Turns columns into features, some thousands of rows at a time.

    Args:
        schema: the columns.
        columns: what `to_columns` gives.
        layer: a function of `TableFeatures`; None makes one.

    Returns:
        float32 [n, schema.width].
    """
    layer = features_function(TableFeatures(schema)) if layer is None else layer
    count = len(next(iter(columns.values())))
    # Text has no kernels elsewhere.
    with tf.device("CPU:0"):
        parts = [
            layer({name: tf.constant(c[i : i + _ROWS]) for name, c in columns.items()}).numpy()
            for i in range(0, count, _ROWS)
        ]
    return np.concatenate(parts)


def stored_features(
    schema: TableSchema,
    values: tf.Tensor,
    places: Mapping[str, int],
    texts: Mapping[str, Sequence[str]],
) -> tf.Tensor:
    """Turns rows that are stored as numbers into the features that `TableFeatures` gives.

    Args:
        schema: the columns.
        values: float64 [batch, stored]: numbers; dates in seconds since 1970; of text its place
            among the text that occurs; NaN where missing.
        places: the place of each column among the stored ones.
        texts: the text that occurs in each column of text.

    Returns:
        float32 [batch, schema.width].
    """
    others = []
    for column in schema.columns:
        if column.kind in _NUMBERS:
            continue
        stored = values[:, places[column.name]]
        missing = tf.math.is_nan(stored)
        whole = tf.cast(tf.where(missing, tf.zeros_like(stored), stored), tf.int64)
        if column.kind == "date":
            others.append(_date_features(column, whole, missing))
        elif column.dtype == "string":
            count = len(column.vocabulary)
            known = {value: 1 + i for i, value in enumerate(column.vocabulary)}
            index = np.array([known.get(text, 0) for text in texts[column.name]], np.int32)
            others.append(
                tf.one_hot(tf.where(missing, count + 1, tf.gather(index, whole)), count + 2)
            )
        else:
            others.append(_one_hot(column, tf.cast(stored, tf.float32)))
    numbers = [places[column.name] for column in schema.columns if column.kind in _NUMBERS]
    chosen = tf.cast(tf.gather(values, numbers, axis=1), tf.float32) if numbers else None
    return _join(schema, chosen, others)


def features_function(layer: TableFeatures) -> Any:
    """Makes a function of a layer that is traced once, for any number of rows."""
    specs = {
        column.name: tf.TensorSpec([None], tf.as_dtype(column.dtype))
        for column in layer.schema.columns
    }
    return tf.function(layer, input_signature=[specs], autograph=False)


def _join(schema: TableSchema, numbers: tf.Tensor | None, others: list[tf.Tensor]) -> tf.Tensor:
    """Joins features in the order of the schema.

    Args:
        schema: the columns.
        numbers: [batch, columns] of numbers, counts and booleans; None without one.
        others: features of each of the other columns.
    """
    columns, slices = schema.columns, schema.slices
    first = [c for c in columns if c.kind in _NUMBERS]
    # All numbers at once: fewer operations than for each apart.
    parts = others if numbers is None else [*_number_features(first, numbers), *others]
    starts = [slices[column.name].start for column in first]
    place = [*starts, *(start + 1 for start in starts)]
    for column in columns:
        if column.kind not in _NUMBERS:
            place += range(slices[column.name].start, slices[column.name].stop)
    return tf.gather(tf.concat(parts, axis=1), np.argsort(place), axis=1)


def _number_features(columns: Sequence[Column], values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Gives the values and the flags of numbers, counts and booleans, each [batch, columns]."""
    kinds = np.array([column.kind for column in columns])
    mean, deviation = _statistics(columns)
    shift = np.where(kinds == "boolean", np.float32(0.0), mean)
    filler = np.where(kinds == "boolean", mean, np.float32(0.0))
    missing = tf.math.is_nan(values)
    if "count" in kinds:
        values = tf.where(kinds == "count", tf.math.log1p(tf.maximum(values, 0.0)), values)
    scaled = tf.clip_by_value((values - shift) / deviation, -_LARGEST, _LARGEST)
    return tf.where(missing, filler, scaled), tf.cast(missing, tf.float32)


def _statistics(columns: Sequence[Column]) -> tuple[np.ndarray, np.ndarray]:
    mean = np.array([column.mean for column in columns], np.float32)
    return mean, np.array([column.deviation for column in columns], np.float32)


def _features(column: Column, values: tf.Tensor) -> tf.Tensor:
    """Gives the features of text, and of categories that are numbers."""
    if column.kind == "categorical":
        return _one_hot(column, values)
    return _date_features(column, *dates.parse(values))


def _date_features(column: Column, seconds: tf.Tensor, missing: tf.Tensor) -> tf.Tensor:
    # Whole seconds are subtracted before they are rounded to float32.
    scaled = tf.cast(seconds - round(column.mean), tf.float32) / np.float32(column.deviation)
    scaled = tf.where(missing, 0.0, tf.clip_by_value(scaled, -_LARGEST, _LARGEST))
    return tf.stack([scaled, tf.cast(missing, tf.float32)], axis=1)


def _one_hot(column: Column, values: tf.Tensor) -> tf.Tensor:
    """Gives [unknown, *vocabulary, missing]."""
    count = len(column.vocabulary)
    if column.dtype == "string":
        vocabulary = np.array(column.vocabulary, object)
        with tf.init_scope():  # The hashes are sorted in NumPy, and become a constant of a graph.
            keys = tf.strings.to_hash_bucket_fast(vocabulary, _BUCKETS).numpy()
        searched = tf.strings.to_hash_bucket_fast(values, _BUCKETS)
        missing = tf.equal(values, "")
    else:
        vocabulary = np.array(column.vocabulary, np.float32)
        keys, searched, missing = vocabulary, values, tf.math.is_nan(values)
    order = np.argsort(keys, kind="stable")
    place = tf.minimum(tf.searchsorted(tf.constant(keys[order]), searched), count - 1)
    is_known = tf.equal(tf.gather(tf.constant(vocabulary[order]), place), values)
    index = tf.where(is_known, tf.gather(tf.constant(1 + order.astype(np.int32)), place), 0)
    return tf.one_hot(tf.where(missing, count + 1, index), count + 2)


def _numbers(columns: Sequence[Column], values: tf.Tensor) -> tf.Tensor:
    """Gives numbers, counts and booleans in their own units, [batch, columns]."""
    kinds = np.array([column.kind for column in columns])
    mean, deviation = _statistics(columns)
    scaled = values * deviation + mean
    if "count" in kinds:
        logs = tf.clip_by_value(scaled, -LARGEST_LOG_COUNT, LARGEST_LOG_COUNT)
        scaled = tf.where(kinds == "count", tf.exp(logs), scaled)
    return tf.where(kinds == "boolean", tf.cast(values > 0.0, tf.float32), scaled)


def _value(column: Column, outputs: tf.Tensor) -> tf.Tensor:
    """Gives text, and categories that are numbers."""
    if column.kind == "categorical":
        is_text = column.dtype == "string"
        missing = b"" if is_text else np.float32(np.nan)
        values = [v.encode() if isinstance(v, str) else v for v in column.vocabulary]
        dtype = tf.string if is_text else tf.float32
        # Values that are not known were not in the data: the first logit is left out.
        return tf.gather(tf.constant([*values, missing], dtype), tf.argmax(outputs[:, 1:], axis=1))
    scaled = tf.cast(outputs[:, 0], tf.float64) * column.deviation
    seconds = tf.cast(tf.round(scaled), tf.int64) + round(column.mean)
    return tf.where(outputs[:, 1] > 0.0, "", dates.write(seconds))
