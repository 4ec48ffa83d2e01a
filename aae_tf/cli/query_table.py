"""Rows of a CSV file as the columns that a served model takes, and columns as a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aae_tf.runs.errors import UserError, as_user_error

# Text that stands for a number: an empty cell is a missing value.
_WORDS = {"true": 1.0, "false": 0.0, "": np.nan}


def read_csv(path: Path) -> dict[str, list[str]]:
    """Reads the columns of a CSV file as text.

    Raises:
        UserError: if the file cannot be read, has no rows, or a row of another length than the
            header.
    """
    with as_user_error(OSError, UnicodeDecodeError, csv.Error):
        # A byte order mark is no part of the header.
        text = path.read_text(encoding="utf-8-sig")
        header, *rows = list(csv.reader(io.StringIO(text, newline=""))) or [[]]
    rows = [row for row in rows if row]
    if not rows:
        raise UserError(f"Expected --input to have a header and rows. Received: {path}.")
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise UserError(
                f"Expected every row of {path} to have the {len(header)} values of its header. "
                f"Received: {len(row)} in row {number}, counted from 0."
            )
    return {
        name: list(column) for name, column in zip(header, zip(*rows, strict=True), strict=True)
    }


def type_columns(
    columns: Mapping[str, list[str]], inputs: Mapping[str, Mapping[str, Any]], path: Path
) -> dict[str, Any]:
    """Returns the columns that a signature takes, numbers as float32; further ones are left out.

    Args:
        columns: text by name.
        inputs: what the server says of each input of the signature, see `Client.metadata`.
        path: path of the file, for messages.

    Raises:
        UserError: if a column is missing, or a number does not parse; the message names its row.
    """
    missing = [name for name in inputs if name not in columns]
    if missing:
        raise UserError(
            f"Expected {path} to have the columns of the model: {', '.join(map(repr, inputs))}. "
            f"Received: no {', '.join(map(repr, missing))}."
        )
    return {
        name: _numbers(columns[name], name, path) if info["dtype"] != "string" else columns[name]
        for name, info in inputs.items()
    }


def write_csv(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Writes arrays [rows] as columns, and arrays [rows, n] as n columns "name_0", ..."""
    columns: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if array.ndim == 1:
            columns[name] = array
        else:
            flat = array.reshape(len(array), -1)
            columns |= {f"{name}_{i}": flat[:, i] for i in range(flat.shape[1])}
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(columns)
    writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
    return buffer.getvalue().encode()


def _numbers(texts: list[str], name: str, path: Path) -> np.ndarray:
    numbers = np.empty(len(texts), np.float32)
    for row, text in enumerate(texts):
        word = text.strip().lower()
        try:
            numbers[row] = _WORDS[word] if word in _WORDS else float(word)
        except ValueError:
            raise UserError(
                f"Expected column {name!r} of {path} to hold numbers. "
                f"Received: {text!r} in row {row}, counted from 0."
            ) from None
    return numbers
