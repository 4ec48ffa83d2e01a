"""Columns of a table as the features of a model, wherever they come from."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf.column_arrays import columns_of
from aae_tf.data.conversions import is_pipeline, is_py_dataset
from aae_tf.networks import TableFeatures
from aae_tf.tables.columns import to_columns
from aae_tf.tables.features import compute_features, features_function
from aae_tf.tables.schema import TableSchema


class TableInputs:
    """Turns columns into features by one layer: arrays at once, pipelines batch by batch.

    Args:
        schema: the columns.

    Attributes:
        names: names of the columns.
        layer: the `networks.TableFeatures`, which the exported signatures call too.
    """

    def __init__(self, schema: TableSchema) -> None:
        self.schema = schema
        self.names: tuple[str, ...] = schema.names
        self.layer = TableFeatures(schema, name="table_features")
        self._function: Any = None

    def features(self, x: Any, name: str = "x", training: bool = False) -> Any:
        """Turns columns into features.

        Args:
            x: a frame, a dict of columns [n], a pipeline of dicts of columns, alone or in tuples
                with labels; or features already, which are returned as they are.
            name: name of the argument, for messages.
            training: whether infinite numbers are refused.

        Returns:
            float32 [n, schema.width], or a pipeline of batches of such.

        Raises:
            TypeError, ValueError: see `tables.to_columns`.
        """
        if isinstance(x, tf.data.Dataset):
            return self._map_dataset(x, name)
        if is_py_dataset(x):
            return _PyFeatures(x, lambda batch: self._convert_batch(batch, name, training))
        if is_pipeline(x):
            return self._generate(x, name, training)
        return x if columns_of(x) is None else self._compute(x, name, training)

    def targets(self, y: Any, name: str = "y") -> Any:
        """Turns targets that are columns into features; labels are returned as they are."""
        if isinstance(y, Mapping) and y and set(y) <= {"targets", "labels"}:
            return {key: self.targets(value, name) for key, value in y.items()}
        columns = columns_of(y)
        if columns is None or set(columns) != set(self.schema.names):
            return y
        return self._compute(y, name, training=True)

    def specs(self) -> dict[str, tf.TensorSpec]:
        """Gives the specification of each column."""
        return {
            column.name: tf.TensorSpec([None], tf.as_dtype(column.dtype), column.name)
            for column in self.schema.columns
        }

    def examples(self) -> dict[str, np.ndarray]:
        """Gives values that a column may have, a missing and an unknown one among them."""
        return {column.name: _examples(column) for column in self.schema.columns}

    def _compute(self, x: Any, name: str, training: bool) -> np.ndarray:
        columns = to_columns(x, self.schema, name, allow_infinite=not training)
        if self._function is None:
            self._function = features_function(self.layer)
        return compute_features(self.schema, columns, self._function)

    def _map_dataset(self, dataset: tf.data.Dataset, name: str) -> tf.data.Dataset:
        spec = dataset.element_spec
        inputs = spec[0] if isinstance(spec, tuple) else spec
        if not isinstance(inputs, Mapping):
            return dataset
        self._check_spec(inputs, name)

        def convert(*batch: Any) -> Any:
            columns = {
                key: _as_column(batch[0][key], spec.dtype) for key, spec in self.specs().items()
            }
            features = self.layer(columns)
            return (features, *batch[1:]) if isinstance(spec, tuple) else features

        return dataset.map(convert, num_parallel_calls=tf.data.AUTOTUNE)

    def _check_spec(self, inputs: Mapping[str, Any], name: str) -> None:
        missing = [key for key in self.schema.names if key not in inputs]
        unknown = [key for key in inputs if key not in self.schema.names]
        if missing or unknown:
            raise ValueError(
                f"Expected `{name}` to yield the columns that the table was made with: "
                f"{', '.join(map(repr, self.schema.names))}. "
                f"Received: {name} without {missing} and with {unknown}."
            )
        for key, spec in self.specs().items():
            if (inputs[key].dtype == tf.string) != (spec.dtype == tf.string):
                raise TypeError(
                    f"Expected `{name}` to yield column {key!r} as {spec.dtype.name}. "
                    f"Received: {inputs[key].dtype.name}."
                )
            if inputs[key].shape.rank not in (None, 1, 2):
                raise ValueError(
                    f"Expected `{name}` to yield batches of columns, [batch]. Received: column "
                    f"{key!r} of shape {tuple(inputs[key].shape)}. Batch the data set."
                )

    def _convert_batch(self, batch: Any, name: str, training: bool) -> Any:
        if isinstance(batch, tuple | list):
            return (self._convert_batch(batch[0], name, training), *batch[1:])
        return batch if columns_of(batch) is None else self._compute(batch, name, training)

    def _generate(self, batches: Any, name: str, training: bool) -> Iterator[Any]:
        return (self._convert_batch(batch, name, training) for batch in batches)


class _PyFeatures(keras.utils.PyDataset):
    """The batches of another `PyDataset`, with features in place of columns."""

    def __init__(self, batches: keras.utils.PyDataset, convert: Any) -> None:
        super().__init__(batches.workers, batches.use_multiprocessing, batches.max_queue_size)
        self._batches = batches
        self._convert = convert

    @property
    def num_batches(self) -> int | None:
        """Number of batches; None where there is no end."""
        return self._batches.num_batches

    def __getitem__(self, index: int) -> Any:
        return self._convert(self._batches[index])

    def on_epoch_begin(self) -> None:
        """Is called before each epoch."""
        self._batches.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Is called after each epoch."""
        self._batches.on_epoch_end()


def _as_column(values: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    # What `tf.data.experimental.make_csv_dataset` and readers of records yield may be [batch, 1].
    values = tf.reshape(values, [-1])
    return values if dtype == tf.string else tf.cast(values, tf.float32)


def _examples(column: Any) -> np.ndarray:
    if column.kind == "categorical":
        first = list(column.vocabulary[:20])
        if column.dtype == "string":
            return np.array([*(value.encode() for value in first), b"", b"?"], object)
        return np.array([*first, np.nan, 1.0 + max(first)], np.float32)
    if column.kind == "date":
        dates = np.datetime64(round(column.mean), "s") + np.array(
            [0, round(column.deviation)], "timedelta64[s]"
        )
        return np.array([*(str(date).encode() for date in dates), b"", b"soon"], object)
    if column.kind == "boolean":
        return np.array([0.0, 1.0, np.nan], np.float32)
    values = column.mean + column.deviation * np.array([-1.0, 0.0, 2.0])
    values = np.rint(np.expm1(values)) if column.kind == "count" else values
    return np.array([*values, np.nan, np.inf], np.float32)
