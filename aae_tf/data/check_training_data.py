"""Checks of training data whose numbers are valid one by one: equal rows, unscaled pixels."""

from __future__ import annotations

import warnings

import numpy as np

_WHITE = 255.0


def check_training_data(
    x: np.ndarray, y: np.ndarray | None, name: str, stacklevel: int = 2
) -> None:
    """Refuses data of equal rows, and warns of unscaled pixels and of contradictory labels.

    Args:
        x: float32 [n, ...], finite.
        y: integers [n], -1 where a label is unknown; None without labels.
        name: name of the argument in messages.
        stacklevel: as in `warnings.warn`.

    Raises:
        ValueError: if all of two or more rows are equal.

    Warns:
        UserWarning: if values look like unscaled 8-bit pixels, or if equal rows have different
            labels.

    Example:
        >>> check_training_data(np.eye(2, dtype="float32"), np.array([0, 1]), "x")
    """
    if len(x) > 1 and all(np.array_equal(row, x[0]) for row in x[1:]):
        raise ValueError(
            f"Expected `{name}` to have rows that differ. Received: {name} of {len(x)} equal rows."
        )
    if has_8_bit_range(x):
        warnings.warn(
            f"The values of `{name}` lie in [0, 255], as 8-bit pixels do. Decoders that end in a "
            f"sigmoid give values in [0, 1]: scale the pixels, {name} / 255. Other data are better "
            "standardized.",
            UserWarning,
            stacklevel=stacklevel,
        )
    contradictions = 0 if y is None else _count_contradictions(x, y)
    if contradictions:
        warnings.warn(
            f"{contradictions} labelled rows of `{name}` equal an earlier row with another label. "
            "At most one of two such labels can be learned: correct the labels, or set them to -1 "
            "(unknown).",
            UserWarning,
            stacklevel=stacklevel,
        )


def has_8_bit_range(x: np.ndarray) -> bool:
    """Tells whether values look like unscaled 8-bit pixels.

    They do if they lie in [0, 255] and are images [n, height, width, ...] or whole numbers: the
    numbers of a table may lie in this range for other reasons.
    """
    # A maximum below half of white is rather that of a table of small counts.
    if not x.size or not _WHITE / 2 < x.max() <= _WHITE or x.min() < 0.0:
        return False
    return x.ndim > 2 or bool((x == np.rint(x)).all())


def _count_contradictions(x: np.ndarray, y: np.ndarray) -> int:
    first: dict[int, int] = {}
    count = 0
    for row in np.flatnonzero(y >= 0).tolist():
        earlier = first.setdefault(hash(x[row].tobytes()), row)
        if y[earlier] != y[row] and np.array_equal(x[earlier], x[row]):
            count += 1
    return count
