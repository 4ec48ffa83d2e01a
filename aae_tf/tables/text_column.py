"""`TextColumn`: a column of text as its distinct values, and which of them each row has."""

from __future__ import annotations

import functools
from collections.abc import Iterable

import numpy as np


class TextColumn:
    """A column of text that holds each distinct value once, whatever the number of rows.

    Args:
        values: the distinct values, in the order of their first rows; "" is missing.
        codes: integer [n], the place of each row's value.

    Example:

    >>> column = TextColumn.of(["red", "", "blue", "red"])
    >>> column.counts, column.first_row("blue"), column[2:].strings().tolist()
    ({'red': 2, 'blue': 1}, 2, ['blue', 'red'])
    """

    def __init__(self, values: Iterable[str], codes: np.ndarray) -> None:
        self.values = tuple(values)
        self.codes = codes

    @classmethod
    def of(cls, strings: Iterable[str]) -> TextColumn:
        """Makes the column of text by row."""
        places: dict[str, int] = {}
        codes = [places.setdefault(value, len(places)) for value in strings]
        return cls(places, np.array(codes, np.int64))

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: slice | np.ndarray) -> TextColumn:
        return TextColumn(self.values, self.codes[rows])

    @functools.cached_property
    def counts(self) -> dict[str, int]:
        """Number of rows of each value that occurs and is not missing, in the order of `values`."""
        numbers = np.bincount(self.codes, minlength=len(self.values)).tolist()
        counted = zip(self.values, numbers, strict=True)
        return {value: number for value, number in counted if value and number}

    def first_row(self, value: str) -> int:
        """Returns the number of the first row that has a value."""
        return int((self.codes == self.values.index(value)).argmax())

    def strings(self) -> np.ndarray:
        """Returns the text by row, objects [n] that are str."""
        return np.array([*self.values, ""], object)[self.codes]
