"""`TableStore`: the rows of tables of any size, read once and kept as numbers in a file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aae_tf.column_arrays import as_column, is_missing, numbers_of, strings_of
from aae_tf.data.files import missing_label_column
from aae_tf.data.table_cache import open_cached
from aae_tf.data.table_parts import read_parts
from aae_tf.tables.columns import looks_like_date, seconds_of
from aae_tf.tables.inference import MAX_CATEGORIES, check_names, too_many_categories
from aae_tf.tables.text_column import TextColumn

_VERSION = 2
# Booleans, where a part of a CSV file is read as text: pandas knows them as true and TRUE, too.
_WORDS = {"true": 1.0, "false": 0.0}
_NUMBERS, _DESCRIPTION = "rows.float64", "description.json"
_NUMBER, _DATE, _TEXT = "number", "date", "text"


class TableStore:
    """The rows of tables as numbers in a file, of which memory holds what is being read.

    A number is stored as it is, a date in seconds since 1970, and text as its place among the
    distinct values of its column; NaN is missing.

    Args:
        folder: what `open_store` has written.

    Attributes:
        names: names of the columns.
        labels: int64 [rows], numbered in the order of first rows, -1 where one is missing.
        label_values: the labels by number.
        key: what tells these rows from others.
    """

    def __init__(self, folder: Path) -> None:
        description = json.loads((folder / _DESCRIPTION).read_text())
        self.key: str = folder.name
        self.names: tuple[str, ...] = tuple(description["names"])
        self.label_values: list[Any] = description["label_values"]
        self._kinds: list[str] = description["kinds"]
        self._texts: list[list[str]] = description["texts"]
        shape = (description["rows"], len(self.names) + 1)
        self._rows = np.memmap(folder / _NUMBERS, np.float64, "r", shape=shape)
        self.labels = self._rows[:, -1].astype(np.int64)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Reads rows by number, float64 [rows, columns]."""
        return self._rows[rows, :-1]

    @property
    def places(self) -> dict[str, int]:
        """The place of each column."""
        return {name: place for place, name in enumerate(self.names)}

    @property
    def texts(self) -> dict[str, list[str]]:
        """The distinct values of each column of text."""
        columns = zip(self.names, self._texts, self._kinds, strict=True)
        return {name: texts for name, texts, kind in columns if kind == _TEXT}

    def __getitem__(self, name: str) -> Any:
        """Reads a column: float32 [n], datetime64 [n], or a `TextColumn`."""
        place = self.places[name]
        values, kind = np.array(self._rows[:, place]), self._kinds[place]
        if kind == _NUMBER:
            with np.errstate(over="ignore"):
                return values.astype(np.float32)
        missing = np.isnan(values)
        whole = np.where(missing, 0.0, values).astype(np.int64)
        if kind == _DATE:
            dates = whole.astype("datetime64[s]")
            dates[missing] = np.datetime64("NaT")
            return dates
        texts = self._texts[place]
        return TextColumn([*texts, ""], np.where(missing, len(texts), whole))


def open_store(
    paths: Sequence[str],
    label_column: str | None,
    kinds: Mapping[str, str],
    exclude: Sequence[str],
) -> TableStore:
    """Opens the rows of tables, which are read once, and again where a file has changed.

    They are kept in a cache, see `table_cache.open_cached`.

    Args:
        paths: files that `read_parts` reads, of one header.
        label_column: name of the column of labels.
        kinds: kinds of columns, in place of those inferred.
        exclude: names of columns that are left out.

    Raises:
        ValueError: if a file cannot be read, is of another header, or a value is not of its
            column's kind; the message names file, row and column.
    """
    files = [(os.path.realpath(path), Path(path).stat()) for path in paths]
    identity = [
        _VERSION,
        [(path, stat.st_size, stat.st_mtime_ns) for path, stat in files],
        label_column,
        sorted(kinds.items()),
        sorted(exclude),
    ]
    key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:24]
    return open_cached(
        key, lambda folder: _write(folder, paths, label_column, kinds, exclude), TableStore
    )


def _write(
    folder: Path,
    paths: Sequence[str],
    label_column: str | None,
    kinds: Mapping[str, str],
    exclude: Sequence[str],
) -> None:
    head = _read_head(paths)
    header = list(head.columns)
    check_names(header, kinds, exclude, paths[0])
    if label_column is not None and label_column not in header:
        raise ValueError(missing_label_column(label_column, header, paths[0]))
    names = [name for name in header if name != label_column and name not in exclude]
    writers = [_ColumnWriter(name, kinds.get(name)) for name in names]
    for writer in writers:
        writer.look_at(head[writer.name], paths[0])
    # What is text at first stays text, where a part of a CSV file has digits alone.
    texts = [name for name in header if head[name].dtype.kind == "O"]
    labels: dict[Any, int] = {}
    rows = 0
    with (folder / _NUMBERS).open("wb") as file:
        for path in paths:
            first = 0
            texts += [each.name for each in writers if each.kind in (_TEXT, _DATE)]
            for frame in read_parts(path, texts):
                if list(frame.columns) != header:
                    raise ValueError(
                        f"Expected {path} to have the header of {paths[0]}. "
                        f"Received: {list(frame.columns)}."
                    )
                numbers = np.full([len(frame), len(names) + 1], -1.0)
                for i, writer in enumerate(writers):
                    numbers[:, i] = writer.numbers(frame[writer.name], path, first)
                if label_column is not None:
                    place = f"column {label_column!r} of {path}"
                    numbers[:, -1] = [
                        -1 if is_missing(value) else labels.setdefault(value, len(labels))
                        for value in as_column(frame[label_column], place).tolist()
                    ]
                numbers.tofile(file)
                first += len(frame)
            rows += first
    if not rows:
        raise ValueError(f"Expected {paths[0]} to have rows. Received: a header alone.")
    description = {
        "rows": rows,
        "names": names,
        "kinds": [writer.kind or _NUMBER for writer in writers],
        "texts": [list(writer.texts) for writer in writers],
        "label_values": list(labels),
    }
    (folder / _DESCRIPTION).write_text(json.dumps(description, default=str))


def _read_head(paths: Sequence[str]) -> Any:
    """Reads the first part of the first file that has one: some without rows have none."""
    for path in paths:
        with contextlib.closing(read_parts(path)) as parts:
            for frame in parts:
                return frame
    raise ValueError(f"Expected {paths[0]} to have rows. Received: none.")


class _ColumnWriter:
    """Turns the values of a column into numbers, part by part.

    What the column holds is what its first values that are not missing are.
    """

    def __init__(self, name: str, asked: str | None) -> None:
        self.name = name
        self.asked = asked
        self.kind: str | None = None
        self.texts: dict[str, int] = {}

    def numbers(self, values: Any, path: str, first_row: int) -> np.ndarray:
        """Returns numbers, float64 [n], NaN where one is missing."""
        place = f"column {self.name!r} of {path}"
        column = self.look_at(values, path)
        if self.kind is None:
            return np.full(len(column), np.nan)
        if self.kind == _NUMBER:
            return parse_numbers(column, place, first_row)
        if column.dtype.kind == "M" and self.kind == _DATE:
            seconds = column.astype("datetime64[s]").astype(np.int64)
            return np.where(np.isnat(column), np.nan, seconds)
        if column.dtype.kind in "biuf":
            known = ~np.isnan(column.astype(np.float64))
            if not known.any():
                return np.full(len(column), np.nan)
            row = int(known.argmax())
            raise ValueError(
                f"Expected {place} to hold text, as earlier rows do. "
                f"Received: {column[row]:g} in row {first_row + row}."
            )
        strings = strings_of(column, place)
        if self.kind == _DATE:
            return seconds_of(strings, place, first_row)
        text = TextColumn.of(strings)
        codes = [self.texts.setdefault(v, len(self.texts)) if v else np.nan for v in text.values]
        if len(self.texts) > MAX_CATEGORIES:
            received = f"more, by row {first_row + len(strings) - 1}"
            raise ValueError(too_many_categories(place, MAX_CATEGORIES, received))
        return np.array(codes, np.float64)[text.codes]

    def look_at(self, values: Any, path: str) -> np.ndarray:
        """Returns values as an array, and finds out what they are, if that is not known yet."""
        column = as_column(values, f"column {self.name!r} of {path}")
        if self.kind is None:
            self.kind = self._find_kind(column)
        return column

    def _find_kind(self, column: np.ndarray) -> str | None:
        if column.dtype.kind == "M":
            return _TEXT if self.asked == "categorical" else _DATE
        if column.dtype.kind != "O":
            return None if np.isnan(column.astype(np.float64)).all() else _NUMBER
        known = [value for value in column.tolist() if not is_missing(value)]
        if not known:
            return None
        if not isinstance(known[0], str | bytes) and hasattr(known[0], "__float__"):
            return _NUMBER
        strings = strings_of(np.array(known, object), self.name).tolist()
        is_date = sum(map(looks_like_date, strings)) > len(strings) / 2
        return _DATE if self.asked == "date" or (is_date and self.asked is None) else _TEXT


def parse_numbers(column: np.ndarray, place: str, first_row: int) -> np.ndarray:
    """Returns numbers, some of which may be text, as CSV files are read part by part.

    Args:
        column: numbers, booleans or objects [n].
        place: what it is, for messages.
        first_row: number of its first row, for messages.

    Returns:
        float64 [n], NaN where one is missing.

    Raises:
        ValueError: if one is no number; the message names its row.
    """
    if column.dtype.kind == "O":
        column = column.copy()
        for row, value in enumerate(column.tolist()):
            if isinstance(value, str) and value:
                try:
                    word = _WORDS.get(value.lower())
                    column[row] = float(value) if word is None else word
                except ValueError:
                    raise ValueError(
                        f"Expected {place} to hold numbers. "
                        f"Received: {value!r} in row {first_row + row}."
                    ) from None
    if column.dtype.kind in "biuf":
        return column.astype(np.float64)
    return numbers_of(column, place).astype(np.float64)
