"""Kinds, statistics and vocabularies of columns, inferred from data."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from aae_tf.checks import check_choice, check_dimension
from aae_tf.column_arrays import as_column, columns_of, is_missing, numbers_of, strings_of
from aae_tf.tables.column import KINDS, Column
from aae_tf.tables.columns import looks_like_date, seconds_of
from aae_tf.tables.text_column import TextColumn

# Whole numbers up to here are exact in float32.
_LARGEST_EXACT = 2**24
# Share of a column's text that must be dates, or numbers, before the rest is a mistake.
_MOST = 0.5
# Categories of a column, unless more are asked for.
MAX_CATEGORIES = 1000
# Below it, a column would count for more than ten others.
_SMALLEST_BASELINE = 0.05


def infer_columns(
    x: Any,
    kinds: Mapping[str, str],
    exclude: Sequence[str],
    max_categories: int,
    source: str | None,
) -> tuple[Column, ...]:
    """Infers the columns of a schema; see `TableSchema.infer`."""
    given = columns_of(x)
    where = "" if source is None else f" of {source}"
    if given is None:
        raise TypeError(
            "Expected `columns` to be a frame or a dict of columns. "
            f"Received: columns of type {type(x).__name__}."
        )
    check_dimension("max_categories", max_categories)
    check_names(given, kinds, exclude, source)
    return tuple(
        _infer(name, values, kinds.get(name), max_categories, f"column {name!r}{where}")
        for name, values in given.items()
        if name not in exclude
    )


def check_names(
    given: Iterable[str], kinds: Iterable[str], exclude: Iterable[str], source: str | None
) -> None:
    """Checks that options name columns.

    Raises:
        ValueError: if one names a column that is not given.
    """
    where = "" if source is None else f" of {source}"
    for argument, names in (("kinds", kinds), ("exclude", exclude)):
        unknown = [name for name in names if name not in given]
        if unknown:
            raise ValueError(
                f"Expected `{argument}` to name columns{where}: "
                f"{', '.join(map(repr, given))}. Received: {unknown[0]!r}."
            )


def _infer(name: str, given: Any, kind: str | None, max_categories: int, place: str) -> Column:
    if kind is not None:
        check_choice(f"kinds[{name!r}]", kind, KINDS)
    values = given if isinstance(given, TextColumn) else as_column(given, place)
    if not len(values):
        raise ValueError(f"Expected {place} to have rows. Received: none.")
    if isinstance(values, TextColumn) or _holds_text(values, place):
        if not isinstance(values, TextColumn):
            if values.dtype.kind == "M" and kind in (None, "date"):
                seconds = values.astype("datetime64[s]").astype(np.int64)
                return _date(name, np.where(np.isnat(values), np.nan, seconds), place)
            values = TextColumn.of(strings_of(values, place))
        if not any(values.counts.values()):
            raise ValueError(_all_missing(place))
        if kind is None:
            kind = _kind_of_text(values, place)
        if kind == "date":
            return _date(name, seconds_of(values.strings(), place), place)
        if kind != "categorical":
            raise ValueError(
                f"Expected {place} to hold numbers, as it is {kind!r}. "
                f"Received: {next(iter(values.counts))!r}."
            )
        return _categorical(name, values.counts, len(values), max_categories, place)
    numbers = numbers_of(values, place).astype(np.float64)
    if kind is None:
        kind = _kind_of_numbers(numbers[np.isfinite(numbers)])
    _warn_of_digits(values, place)
    if kind == "categorical":
        counts = Counter(numbers[~np.isnan(numbers)].tolist())
        return _categorical(name, counts, len(numbers), max_categories, place)
    if kind == "date":
        raise ValueError(
            f"Expected {place} to hold dates as text, such as '2024-05-31'. Received: numbers."
        )
    return _number(name, kind, numbers, place)


def _holds_text(values: np.ndarray, place: str) -> bool:
    """Tells whether a column holds text; refuses one that holds text and numbers."""
    if values.dtype.kind != "O":
        return values.dtype.kind == "M"
    first: dict[bool, tuple[int, Any]] = {}
    for row, value in enumerate(values.tolist()):
        if not is_missing(value):
            first.setdefault(
                not isinstance(value, int | float | np.number | np.bool_), (row, value)
            )
            if len(first) > 1:
                raise ValueError(
                    f"Expected {place} to hold text or numbers, not both. "
                    f"Received: {first[True][1]!r} in row {first[True][0]}, "
                    f"{first[False][1]!r} in row {first[False][0]}."
                )
    if not first:
        raise ValueError(_all_missing(place))
    return True in first


def _kind_of_text(text: TextColumn, place: str) -> str:
    """Tells dates from categories; refuses text most of which is numbers or dates."""
    size = sum(text.counts.values())
    others = {value: n for value, n in text.counts.items() if not looks_like_date(value)}
    if sum(others.values()) < _MOST * size:
        if others:
            value = next(iter(others))
            raise ValueError(
                f"Expected {place} to hold dates, such as '2024-05-31' or '2024-05-31T23:59:59', "
                f"as most of it does. Received: {value!r} in row {text.first_row(value)}."
            )
        return "date"
    others = {value: n for value, n in text.counts.items() if not _is_number(value)}
    if others and sum(others.values()) < _MOST * size:
        value = next(iter(others))
        raise ValueError(
            f"Expected {place} to hold numbers, as most of it does; or give it the kind "
            f"'categorical'. Received: {value!r} in row {text.first_row(value)}."
        )
    return "categorical"


def _kind_of_numbers(numbers: np.ndarray) -> str:
    if not len(numbers) or (numbers != np.rint(numbers)).any() or numbers.min() < 0:
        return "numeric"
    if numbers.max() <= 1:
        return "boolean"
    is_dispersed = numbers.var() >= 0.5 * numbers.mean()
    return "count" if is_dispersed and numbers.max() <= _LARGEST_EXACT else "numeric"


def _number(name: str, kind: str, numbers: np.ndarray, place: str) -> Column:
    infinite = np.isinf(numbers)
    if infinite.any():
        row = int(infinite.argmax())
        raise ValueError(
            f"Expected {place} to be finite, or empty where a value is missing. "
            f"Received: {numbers[row]} in row {row}."
        )
    present = numbers[~np.isnan(numbers)]
    missing = 1.0 - len(present) / len(numbers)
    _check_varies(len(np.unique(present[:1000])), present, len(numbers), missing, place)
    if kind == "numeric":
        return _flagged(name, kind, present, missing, 0.5)
    wrong = (present < 0) | (present != np.rint(present))
    if kind == "boolean":
        wrong |= present > 1
    if wrong.any():
        value = present[wrong.argmax()]
        row = int((numbers == value).argmax())
        raise ValueError(
            f"Expected {place} to hold {'0 and 1' if kind == 'boolean' else 'whole numbers from 0'}"
            f", as it is {kind!r}. Received: {value:g} in row {row}."
        )
    if kind == "boolean":
        entropy = _entropy(np.array([present.mean(), 1.0 - present.mean()]))
        column = _flagged(name, kind, present, missing, entropy)
        return Column(**{**vars(column), "deviation": 1.0})
    mean = present.mean()
    # By moments: the variance of the rows includes what the other columns tell about a count.
    dispersion = max(0.0, present.var() - mean) / mean**2 if mean else 0.0
    loss = float(half_deviance(present, np.full_like(present, mean), dispersion).mean())
    column = _flagged(name, kind, np.log1p(present), missing, loss)
    return Column(**{**vars(column), "dispersion": float(dispersion)})


def _date(name: str, seconds: np.ndarray, place: str) -> Column:
    present = seconds[~np.isnan(seconds)]
    missing = 1.0 - len(present) / len(seconds)
    _check_varies(len(np.unique(present[:1000])), present, len(seconds), missing, place)
    return _flagged(name, "date", present, missing, 0.5)


def _flagged(name: str, kind: str, present: np.ndarray, missing: float, loss: float) -> Column:
    baseline = (1.0 - missing) * loss + _entropy(np.array([missing, 1.0 - missing]))
    return Column(
        name,
        kind,
        mean=float(present.mean()),
        deviation=float(present.std()) or 1.0,
        missing=missing,
        baseline=max(_SMALLEST_BASELINE, baseline),
    )


def _categorical(
    name: str, counts: Mapping[Any, int], rows: int, max_categories: int, place: str
) -> Column:
    present = sum(counts.values())
    missing = 1.0 - present / rows
    _check_varies(len(counts), np.array(list(counts)[:1], object), rows, missing, place)
    if len(counts) > max_categories:
        raise ValueError(too_many_categories(place, max_categories, str(len(counts))))
    # The same order in every process: by frequency, then by value.
    ordered = sorted(counts, key=lambda value: (-counts[value], value))
    shares = np.array([*(counts[value] for value in ordered), rows - present]) / rows
    return Column(
        name,
        "categorical",
        missing=missing,
        vocabulary=tuple(ordered),
        baseline=max(_SMALLEST_BASELINE, _entropy(shares)),
    )


def too_many_categories(place: str, largest: int, received: str) -> str:
    """Returns the message about a vocabulary that is too large."""
    return (
        f"Expected {place} to have at most {largest} categories: leave it out, or raise "
        f"`max_categories`. Received: {received}."
    )


def _check_varies(
    distinct: int, present: np.ndarray, rows: int, missing: float, place: str
) -> None:
    if not len(present):
        raise ValueError(_all_missing(place))
    if distinct == 1 and not missing and (present == present[0]).all():
        raise ValueError(
            f"Expected {place} to have values that differ; leave it out. "
            f"Received: {present[0]!r} in all {rows} rows."
        )


def _warn_of_digits(values: np.ndarray, place: str) -> None:
    if values.dtype.kind in "iuf" and len(values):
        finite = values[np.isfinite(values)]
        largest = np.abs(finite).max() if len(finite) else 0
        if largest > _LARGEST_EXACT and (finite == np.rint(finite)).all():
            warnings.warn(
                f"The {place} holds whole numbers above 2^24 = 16777216, up to {largest:g}, which "
                "float32 rounds: give an identifier as text, or leave it out.",
                UserWarning,
                stacklevel=6,
            )


def half_deviance(counts: np.ndarray, means: np.ndarray, dispersion: float) -> np.ndarray:
    """Returns half the deviance of counts under a negative binomial distribution, nats.

    It is log p(count | its own value as the mean) - log p(count | mean), zero where both agree.

    Args:
        counts: float [n], zero or more.
        means: float [n], above zero.
        dispersion: the variance is m + dispersion * m^2; 0 is the Poisson distribution.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.where(counts > 0, counts * np.log(counts / means), 0.0)
    if dispersion == 0.0:
        return first - (counts - means)
    size = 1.0 / dispersion
    return first - (counts + size) * np.log((counts + size) / (means + size))


def _entropy(shares: np.ndarray) -> float:
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _all_missing(place: str) -> str:
    return f"Expected {place} to have values; leave it out. Received: all are missing."
