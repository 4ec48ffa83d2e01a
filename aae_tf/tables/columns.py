"""Columns checked against a schema: their names, types and lengths, and the form of dates."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from aae_tf.column_arrays import as_column, columns_of, numbers_of, strings_of

if TYPE_CHECKING:
    from aae_tf.tables.schema import TableSchema

_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?)?")


def to_columns(
    x: Any, schema: TableSchema, name: str = "x", allow_infinite: bool = True
) -> dict[str, np.ndarray]:
    """Returns the columns of a schema as arrays, in the schema's order.

    Args:
        x: a frame, or a dict of columns [n].
        schema: the columns that there must be, and their kinds.
        name: name of the argument, for messages.
        allow_infinite: whether numbers may be infinite; training refuses them.

    Returns:
        float32 [n], NaN where missing, or objects [n] that are str, "" where missing, by name.

    Raises:
        TypeError: if `x` is neither a frame nor a dict, or a column holds values of another type.
        ValueError: if columns are missing, unknown, or of different lengths; if a date does not
            parse; if a number is infinite and may not be. Messages name row and column.
    """
    given = columns_of(x)
    if given is None:
        raise TypeError(
            f"Expected `{name}` to be a frame or a dict of the columns "
            f"{_listed(schema.names)}. Received: {name} of type {type(x).__name__}."
        )
    missing = [each for each in schema.names if each not in given]
    unknown = [each for each in given if each not in schema.names]
    if missing or unknown:
        received = [f"no {_listed(missing)}"] if missing else []
        received += [f"{_listed(unknown)}, which the table has not"] if unknown else []
        raise ValueError(
            f"Expected `{name}` to have the columns that the table was made with: "
            f"{_listed(schema.names)}. Received: {name} with {' and '.join(received)}."
        )
    columns = {}
    for column in schema.columns:
        place = f"column {column.name!r} of `{name}`"
        values = as_column(given[column.name], place)
        if column.dtype == "float32":
            array = numbers_of(values, place)
            if not allow_infinite and np.isinf(array).any():
                row = int(np.isinf(array).argmax())
                raise ValueError(
                    f"Expected {place} to be finite, or NaN where a value is missing. "
                    f"Received: {array[row]} in row {row}."
                )
        else:
            array = strings_of(values, place)
            if column.kind == "date":
                seconds_of(array, place)
        columns[column.name] = array
    sizes = {len(array) for array in columns.values()}
    if sizes == {0} or len(sizes) > 1:
        raise ValueError(
            f"Expected `{name}` to have columns of one length, at least one row. "
            f"Received: columns of {sorted(sizes)} rows."
        )
    return columns


def seconds_of(strings: np.ndarray, place: str, first_row: int = 0) -> np.ndarray:
    """Returns dates as seconds since 1970, float64 [n], NaN where one is missing.

    Args:
        strings: objects [n] that are str, "" where missing.
        place: what they are, for messages.
        first_row: number of the first row, for messages.

    Raises:
        ValueError: if one does not parse; the message names its row.
    """
    values, inverse = np.unique(strings.astype(str), return_inverse=True)
    seconds = np.array([_seconds(value) for value in values.tolist()])
    wrong = np.isnan(seconds) & (values != "")
    if wrong.any():
        row = int(wrong[inverse].argmax())
        raise ValueError(
            f"Expected {place} to hold dates, such as '2024-05-31' or '2024-05-31T23:59:59'. "
            f"Received: {strings[row]!r} in row {first_row + row}."
        )
    return seconds[inverse]


def looks_like_date(value: str) -> bool:
    """Tells whether text has the form of a date, whether or not there is such a day."""
    return _DATE.fullmatch(value) is not None


def _seconds(value: str) -> float:
    if not looks_like_date(value):
        return np.nan
    try:
        return float(np.datetime64(value.rstrip("Z"), "s").astype(np.int64))
    except ValueError:
        return np.nan


def _listed(names: Any) -> str:
    names = list(names)
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(map(repr, names[:10])) + more
