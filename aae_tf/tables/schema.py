"""`TableSchema`: the columns of a table, their kinds and statistics, as JSON and as text."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aae_tf.tables.column import Column
from aae_tf.tables.inference import MAX_CATEGORIES, infer_columns


@dataclasses.dataclass(frozen=True)
class TableSchema:
    """The columns of a table, in the order of their features.

    Args:
        columns: at least one `Column`; their names differ.

    Raises:
        ValueError: if there is no column, or two have the same name.

    Example:

    >>> schema = TableSchema.infer({
    ...     "amount": [9.5, 1.25, float("nan"), 3.5], "country": ["de", "fr", "de", ""]})
    >>> print(schema)
    column   kind         dtype    missing  values
    amount   numeric      float32      25%  4.75 +- 3.48
    country  categorical  string       25%  2: 'de', 'fr'
    >>> schema.width
    6
    >>> TableSchema.from_json(schema.to_json()) == schema
    True
    """

    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        if not self.columns or len(set(self.names)) < len(self.columns):
            raise ValueError(
                "Expected `columns` to be one or more, of names that differ. "
                f"Received: columns of names {self.names}."
            )

    @classmethod
    def infer(
        cls,
        columns: Any,
        kinds: Mapping[str, str] | None = None,
        *,
        exclude: Sequence[str] = (),
        max_categories: int = MAX_CATEGORIES,
        source: str | None = None,
    ) -> TableSchema:
        """Infers kinds, statistics and vocabularies from data.

        A column of booleans, or of 0 and 1, is "boolean". Whole numbers from 0 whose variance is at
        least half of their mean are a "count"; other numbers are "numeric". Text is a "date" if it
        has the form of one, else "categorical". Numbers below 2^24 are exact in float32; an
        identifier above that loses digits: give it as text, or leave it out.

        Args:
            columns: a frame of pandas or polars, or a dict of columns [n]. None, NaN and "" are
                missing.
            kinds: kinds of columns by name, in place of those inferred: one of "numeric", "count",
                "boolean", "date", "categorical".
            exclude: names of columns that are left out.
            max_categories: largest vocabulary of a categorical column.
            source: name of the file, for messages.

        Returns:
            The schema.

        Raises:
            TypeError: if `columns` is neither a frame nor a dict.
            ValueError: if a column has one value only, is missing everywhere, mixes text and
                numbers, has too many categories, or a date that does not parse; the message
                names file, row and column.
        """
        return cls(infer_columns(columns, kinds or {}, tuple(exclude), max_categories, source))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def width(self) -> int:
        """Number of features."""
        return sum(column.width for column in self.columns)

    @property
    def slices(self) -> dict[str, slice]:
        """Places of each column's features, by its name."""
        stops = 0
        slices = {}
        for column in self.columns:
            slices[column.name] = slice(stops, stops + column.width)
            stops += column.width
        return slices

    def to_json(self) -> str:
        """Writes the schema as JSON, which a person can read and change."""
        columns = [dataclasses.asdict(column) for column in self.columns]
        return json.dumps({"columns": columns}, indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> TableSchema:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: if the text is no such JSON.
        """
        try:
            entries = json.loads(text)["columns"]
            return cls(
                tuple(Column(**{**e, "vocabulary": tuple(e["vocabulary"])}) for e in entries)
            )
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(
                "Expected the JSON that `TableSchema.to_json` writes. "
                f"Received: {text[:100]!r} ({error!r})."
            ) from error

    def __str__(self) -> str:
        rows = [("column", "kind", "dtype", "missing", "values")]
        for column in self.columns:
            share = f"{column.missing:.0%}" if column.missing else "-"
            rows.append((column.name, column.kind, column.dtype, share, _describe(column)))
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        return "\n".join(
            "  ".join(
                text.rjust(width) if i == 3 else text.ljust(width)
                for i, (text, width) in enumerate(zip(row, widths, strict=False))
            )
            + f"  {row[4]}"
            for row in rows
        )


def _describe(column: Column) -> str:
    if column.kind == "categorical":
        first = ", ".join(map(repr, column.vocabulary[:5]))
        more = ", ..." if len(column.vocabulary) > 5 else ""
        return f"{len(column.vocabulary)}: {first}{more}"
    if column.kind == "date":
        mean = np.datetime64(round(column.mean), "s")
        return f"{mean} +- {column.deviation / 86400:.3g} days"
    if column.kind == "boolean":
        return f"{column.mean:.0%} are 1"
    text = f"{column.mean:.3g} +- {column.deviation:.3g}"
    return f"log(1 + x): {text}" if column.kind == "count" else text
