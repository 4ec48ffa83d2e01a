"""The columns of frames and dicts as arrays of float32 or of text, for models and for clients."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np


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


def to_array(values: Any, place: str) -> np.ndarray:
    """Returns a column as numbers or as text, whichever it holds.

    Args:
        values: see `as_column`.
        place: what it is, for messages.

    Returns:
        float32 [n] for numbers and booleans; objects [n] that are str for text, dates, and what is
        None everywhere.

    Raises:
        TypeError: if it holds both; the message names a row.

    Example:

    >>> to_array([1, None, True], "x"), to_array(["a", None], "x")
    (array([ 1., nan,  1.], dtype=float32), array(['a', ''], dtype=object))
    """
    array = as_column(values, place)
    if array.dtype.kind == "O":
        first = next((value for value in array.tolist() if not is_missing(value)), None)
        is_number = first is not None and not isinstance(first, str | bytes | datetime.date)
        return numbers_of(array, place) if is_number else strings_of(array, place)
    return strings_of(array, place) if array.dtype.kind == "M" else numbers_of(array, place)


def is_missing(value: Any) -> bool:
    """Tells whether a value is None, NaN, the NA or NaT of pandas, or ""."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, str | bytes):
        return not value
    return isinstance(value, float | np.floating) and value != value


def _dtype_of(values: Any) -> Any:
    """Returns object for a list with text in it, of which NumPy would make text of everything."""
    values = list(values)
    is_plain = all(isinstance(value, bool | int | float | np.number | np.bool_) for value in values)
    return None if is_plain and values else object
