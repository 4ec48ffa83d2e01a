"""The points of the map: codes of test data, or samples of the prior, with labels and inputs."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aae_tf.data import check_array
from aae_tf.data.files import read_rows
from aae_tf.explorer.description import table_columns
from aae_tf.explorer.served_model import ServedModel
from aae_tf.runs.errors import as_user_error
from aae_tf.tables.column import Column
from aae_tf.tables.columns import to_columns
from aae_tf.tables.schema import TableSchema

if TYPE_CHECKING:
    from aae_tf.data import Dataset

# More points than this show nothing more on a map; what is shown are the first ones.
MOST_POINTS = 10_000
_NUM_SAMPLES = 2000
_SECONDS_PER_DAY = 86_400.0


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Rows that a model encodes.

    Attributes:
        source: what they are, in words.
        rows: by the names of the signature's inputs, each [n, ...].
        labels: int64 [n], -1 where unknown, or None.
        class_names: names of the labels' classes.
    """

    source: str
    rows: Mapping[str, np.ndarray]
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()

    def take(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Returns some of the rows."""
        return {name: values[rows] for name, values in self.rows.items()}


@dataclasses.dataclass(frozen=True)
class Points:
    """Codes with what is known of each.

    Attributes:
        source: what they are, in words.
        is_data: whether they are codes of data, and not samples of the prior.
        codes: float32 [n, code_dim].
        labels: int32 [n], -1 where unknown, or None.
        predicted: int32 [n], the most probable class or cluster of each, or None.
        class_names: names of the labels' classes.
        note: a sentence that the user should read; empty if there is none.
    """

    source: str
    is_data: bool
    codes: np.ndarray
    labels: np.ndarray | None = None
    predicted: np.ndarray | None = None
    class_names: tuple[str, ...] = ()
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Returns JSON types; arrays are base64 of little-endian float32 and int32."""
        return {
            "source": self.source,
            "isData": self.is_data,
            "n": len(self.codes),
            "codes": encode_array(self.codes, np.float32),
            "labels": None if self.labels is None else encode_array(self.labels, np.int32),
            "predicted": None if self.predicted is None else encode_array(self.predicted, np.int32),
            "classNames": list(self.class_names),
            "note": self.note,
        }


def test_inputs(dataset: Dataset, source: str) -> Inputs:
    """Returns the first rows of the test split, as the signatures take them."""
    x, y = dataset.x_test[:MOST_POINTS], dataset.y_test[:MOST_POINTS]
    rows = {"inputs": x} if dataset.table is None else features_to_columns(dataset.table, x)
    return Inputs(source, rows, y if (y >= 0).any() else None, tuple(dataset.class_names))


def file_inputs(path: str, label_column: str | None) -> Inputs:
    """Returns the first rows of files, as `data.files.read_rows` reads them.

    Raises:
        FileNotFoundError, ImportError, ValueError: see there.
    """
    read = read_rows(path, label_column)
    rows = dict(read.x) if isinstance(read.x, Mapping) else {"inputs": read.x}
    rows = {name: values[:MOST_POINTS] for name, values in rows.items()}
    labels = read.y[:MOST_POINTS]
    return Inputs(
        f"rows of {Path(path).name}",
        rows,
        labels if (labels >= 0).any() else None,
        read.class_names,
    )


def check_inputs(model: ServedModel, inputs: Inputs) -> Inputs:
    """Returns inputs in the form that the model's `encode` takes.

    Raises:
        UserError: if they are columns and the model takes arrays, or the reverse, or columns or
            shapes are others.
    """
    columns = table_columns(model.card)
    with as_user_error(ValueError, TypeError):
        if columns:
            given = inputs.rows
            if list(given) == ["inputs"] and given["inputs"].ndim > 1:
                raise ValueError(
                    "Expected data with the columns of the model's table. "
                    f"Received: {inputs.source}, an array of shape {given['inputs'].shape}."
                )
            known = {c.name: given[c.name] for c in columns if c.name in given}
            rows = to_columns(known, TableSchema(tuple(columns)), inputs.source)
            return dataclasses.replace(inputs, rows=rows)
        spec = model.signatures["encode"]["inputs"].get("inputs")
        if list(inputs.rows) != ["inputs"] or spec is None:
            raise ValueError(
                "Expected data that are arrays, as the model takes them. "
                f"Received: {inputs.source}, a table of columns {', '.join(inputs.rows)}."
            )
        array = check_array(inputs.rows["inputs"], inputs.source, spec["shape"][1:])
        return dataclasses.replace(inputs, rows={"inputs": array})


def encode_points(model: ServedModel, inputs: Inputs) -> Points:
    """Encodes inputs.

    Raises:
        ServingError: if the server refuses them, or is gone.
    """
    answer = model.run("encode", inputs.rows)
    probabilities = answer.get("class_probabilities")
    return Points(
        inputs.source,
        True,
        answer["latents"],
        inputs.labels,
        None if probabilities is None else probabilities.argmax(axis=1),
        inputs.class_names,
    )


def sample_points(model: ServedModel, note: str = "") -> Points:
    """Samples the prior, class by class where the model knows classes.

    Args:
        model: the model, which has the signature `sample`.
        note: a sentence to add.

    Raises:
        ServingError: if the server refuses, or is gone.
    """
    seeds = np.arange(_NUM_SAMPLES, dtype=np.int64)
    rows, labels = {"seed": seeds}, None
    names = tuple(map(str, model.card.get("class_names") or ()))
    if "label" in model.signatures["sample"]["inputs"]:
        count = model.card.get("num_classes") or 1
        rows["label"] = labels = seeds % count
        names = names or tuple(map(str, range(count)))
    codes = model.run("sample", rows)["latents"]
    return Points("samples of the prior", False, codes, labels, None, names, note)


def row_numbers(model: ServedModel, rows: Mapping[str, np.ndarray]) -> np.ndarray:
    """Writes rows as numbers, float32 [n, size].

    An array is flattened. Of a table a row has a number per column: of a category its place in the
    vocabulary, -1 if it is not there; of a date days since 1970; NaN where a value is missing.
    """
    columns = table_columns(model.card)
    if not columns:
        (array,) = rows.values()
        return np.asarray(array, np.float32).reshape(len(array), -1)
    return np.stack([_column_numbers(column, rows[column.name]) for column in columns], axis=1)


def features_to_columns(table: TableSchema, features: np.ndarray) -> dict[str, np.ndarray]:
    """Turns features of a table back into columns; a category that was not known becomes "?".

    Args:
        table: the columns.
        features: float32 [n, table.width], what `networks.TableFeatures` gives.

    Returns:
        float32 [n] or objects [n] that are str, by name.
    """
    slices = table.slices
    return {
        column.name: _column_of_features(column, features[:, slices[column.name]])
        for column in table.columns
    }


def encode_array(array: np.ndarray, dtype: Any) -> str:
    """Writes an array as base64 of its little-endian bytes."""
    little = np.ascontiguousarray(array, np.dtype(dtype).newbyteorder("<"))
    return base64.b64encode(little.tobytes()).decode()


def _column_of_features(column: Column, features: np.ndarray) -> np.ndarray:
    if column.kind == "categorical":
        known: list[Any] = list(column.vocabulary)
        if column.dtype == "string":
            return np.array(["?", *known, ""], object)[features.argmax(axis=1)]
        return np.array([1.0 + max(known), *known, np.nan], np.float32)[features.argmax(axis=1)]
    missing = features[:, 1] > 0.0
    if column.kind == "boolean":
        return np.where(missing, np.float32(np.nan), features[:, 0])
    numbers = features[:, 0].astype(np.float64) * column.deviation + column.mean
    if column.kind == "date":
        dates = np.datetime_as_string(np.rint(numbers).astype("datetime64[s]"))
        return np.where(missing, "", dates).astype(object)
    if column.kind == "count":
        numbers = np.rint(np.expm1(numbers))
    return np.where(missing, np.nan, numbers).astype(np.float32)


def _column_numbers(column: Column, values: np.ndarray) -> np.ndarray:
    if column.kind == "categorical":
        places = {value: place for place, value in enumerate(column.vocabulary)}
        missing = ("", b"")
        return np.array(
            [
                np.nan if v in missing or v != v else places.get(_text(v), -1)
                for v in values.tolist()
            ],
            np.float32,
        )
    if column.kind == "date":
        texts = [_text(value).rstrip("Z") or "NaT" for value in values.tolist()]
        dates = np.array(texts, "datetime64[s]")
        days = dates.astype(np.int64) / _SECONDS_PER_DAY
        return np.where(np.isnat(dates), np.nan, days).astype(np.float32)
    return np.asarray(values, np.float32)


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
