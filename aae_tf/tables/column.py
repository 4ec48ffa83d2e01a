"""`Column`: one column of a table, its kind and statistics."""

from __future__ import annotations

import dataclasses

from aae_tf.checks import check_choice

KINDS = ("numeric", "count", "boolean", "date", "categorical")
# Names of what signatures give beside the columns.
_RESERVED = ("latents", "class_probabilities")


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: its name.
        kind: "numeric"; "count", whole numbers from 0; "boolean", 0 or 1; "date", text in the form
            of ISO 8601, such as "2024-05-31" or "2024-05-31T23:59:59"; "categorical".
        mean: of the values that are not missing: of log(1 + value) for a count, in seconds since
            1970 for a date; 0 for a categorical column.
        deviation: standard deviation of the same; 1 for a boolean and for a categorical column.
        missing: share of missing values, in [0, 1).
        vocabulary: the values of a categorical column, the most frequent first: all strings, or
            all numbers.
        dispersion: of a count: its variance is m + dispersion * m^2 for a mean m; 0 is Poisson.
        baseline: mean loss of the best constant output, nats; what `losses.ColumnLosses` makes
            columns count alike with.

    Raises:
        ValueError: if the kind is none of these, the name is empty or one that signatures give
            beside columns, or a vocabulary is missing, repeats values, or is not asked for.

    Example:

    >>> Column("color", "categorical", vocabulary=("red", "blue")).dtype
    'string'
    """

    name: str
    kind: str
    mean: float = 0.0
    deviation: float = 1.0
    missing: float = 0.0
    vocabulary: tuple[str, ...] | tuple[float, ...] = ()
    dispersion: float = 0.0
    baseline: float = 0.5

    def __post_init__(self) -> None:
        check_choice(f"kind of column {self.name!r}", self.kind, KINDS)
        if not self.name or self.name in _RESERVED:
            raise ValueError(
                "Expected columns with names, other than 'latents' and 'class_probabilities', "
                f"which signatures give beside them. Received: column {self.name!r}."
            )
        if (self.kind == "categorical") != bool(self.vocabulary):
            raise ValueError(
                "Expected a vocabulary for a categorical column, and for no other. "
                f"Received: column {self.name!r} of kind {self.kind!r} with "
                f"{len(self.vocabulary)} values."
            )
        if len(set(self.vocabulary)) < len(self.vocabulary):
            raise ValueError(
                "Expected a vocabulary without repetitions. "
                f"Received: vocabulary={self.vocabulary!r} of column {self.name!r}."
            )

    @property
    def dtype(self) -> str:
        """What clients send and get: "string" for dates and for text, else "float32"."""
        is_text = bool(self.vocabulary) and isinstance(self.vocabulary[0], str)
        return "string" if self.kind == "date" or is_text else "float32"

    @property
    def width(self) -> int:
        """Number of features: a value and a flag; or one for each value, unknown and missing."""
        return len(self.vocabulary) + 2 if self.kind == "categorical" else 2
