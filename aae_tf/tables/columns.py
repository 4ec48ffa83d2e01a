"""Frames and dicts of columns as arrays of float32 or text, checked against a schema."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from aae_tf.tables.schema import TableSchema

_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?)?")


def columns_of(x: Any) -> dict[str, Any] | None:
    """Returns the columns of a frame or a dict by name, as they are; None where `x` is neither.

    Example:

    >>> columns_of({"a": [1.0]}), columns_of([[1.0]])
    ({'a': [1.0]}, None)
    """
    if isinstance(x, Mapping):
        return {str(name): values for name, values in x.items()}
    if hasattr(x, "columns") and hasattr(x, "to_numpy"):
        return {str(name): x[name] for name in x.columns}
    return None


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


def as_column(values: Any, place: str) -> np.ndarray:
    """Returns one column as an array [n] of numbers or of objects.

    Args:
        values: a series of pandas or polars, a list, an array or a tensor.
        place: what it is, for messages.

    Raises:
        ValueError: if it has not one value in each row.
    """
    if hasattr(values, "to_numpy"):
        kind = getattr(getattr(values, "dtype", None), "kind", "O")
        try:
            # Nullable numbers of pandas are objects otherwise.
            array = (
                values.to_numpy(dtype="float64", na_value=np.nan)
                if kind in "biuf"
                else values.to_numpy()
            )
        except TypeError:  # polars takes no such arguments.
            array = values.to_numpy()
    elif hasattr(values, "numpy"):
        array = values.numpy()
    else:
        array = np.asarray(values, None if isinstance(values, np.ndarray) else _dtype_of(values))
    array = np.asarray(array)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"Expected {place} to have one value in each row. Received: shape {array.shape}."
        )
    return array.astype(object) if array.dtype.kind in "US" else array


def numbers_of(values: np.ndarray, place: str) -> np.ndarray:
    """Returns numbers as float32 [n], NaN where one is missing.

    Raises:
        TypeError: if a value is text; the message names its row.
    """
    if values.dtype.kind in "biuf":
        with np.errstate(over="ignore"):
            return values.astype(np.float32)
    array = np.empty(len(values), np.float32)
    for row, value in enumerate(values.tolist()):
        if is_missing(value):
            array[row] = np.nan
            continue
        if isinstance(value, str | bytes) or not hasattr(value, "__float__"):
            raise TypeError(f"Expected {place} to hold numbers. Received: {value!r} in row {row}.")
        array[row] = float(value)
    return array


def strings_of(values: np.ndarray, place: str) -> np.ndarray:
    """Returns text as objects [n] that are str, "" where one is missing.

    Dates and times become text in the form of ISO 8601, to the second.

    Raises:
        TypeError: if a value is a number; the message names its row.
    """
    if values.dtype.kind == "M":
        text = np.datetime_as_string(values.astype("datetime64[s]")).astype(object)
        text[np.isnat(values)] = ""
        return text
    array = np.empty(len(values), object)
    for row, value in enumerate(values.tolist()):
        if isinstance(value, str):
            array[row] = value
        elif is_missing(value):
            array[row] = ""
        elif isinstance(value, bytes):
            array[row] = value.decode("utf-8", "replace")
        elif isinstance(value, datetime.datetime):
            array[row] = value.replace(tzinfo=None).isoformat(timespec="seconds")
        elif isinstance(value, datetime.date):
            array[row] = value.isoformat()
        else:
            raise TypeError(
                f"Expected {place} to hold text. Received: {value!r} in row {row}, of type "
                f"{type(value).__name__}."
            )
    return array


def seconds_of(strings: np.ndarray, place: str) -> np.ndarray:
    """Returns dates as seconds since 1970, float64 [n], NaN where one is missing.

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
            f"Received: {strings[row]!r} in row {row}."
        )
    return seconds[inverse]


def looks_like_date(value: str) -> bool:
    """Tells whether text has the form of a date, whether or not there is such a day."""
    return _DATE.fullmatch(value) is not None


def is_missing(value: Any) -> bool:
    """Tells whether a value is None, NaN, the NA or NaT of pandas, or ""."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, str | bytes):
        return not value
    return isinstance(value, float | np.floating) and value != value


def _seconds(value: str) -> float:
    if not looks_like_date(value):
        return np.nan
    try:
        return float(np.datetime64(value.rstrip("Z"), "s").astype(np.int64))
    except ValueError:
        return np.nan


def _dtype_of(values: Any) -> Any:
    """Returns object for a list with text in it, of which NumPy would make text of everything."""
    values = list(values)
    is_plain = all(isinstance(value, bool | int | float | np.number | np.bool_) for value in values)
    return None if is_plain and values else object


def _listed(names: Any) -> str:
    names = list(names)
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(map(repr, names[:10])) + more
