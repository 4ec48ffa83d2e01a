"""Checks of the arguments that `load` and `labelled_subset` share."""

from __future__ import annotations

import numbers
from typing import Any


def check_integer(name: str, value: Any, below: int | None = None) -> None:
    """Raise TypeError or ValueError unless `value` is an integer, at least 0 (and less `below`)."""
    is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_integer:
        raise TypeError(f"Expected {name} to be an integer. Received: {name}={value!r}.")
    if value < 0:
        raise ValueError(f"Expected {name} to be at least 0. Received: {name}={value}.")
    if below is not None and value >= below:
        raise ValueError(f"Expected {name} to be less than {below}. Received: {name}={value}.")
