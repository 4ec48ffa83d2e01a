"""Checks of the arguments that the priors share."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

_LARGEST = float(np.finfo(np.float32).max)
_SMALLEST = float(np.finfo(np.float32).tiny)


def check_integer(name: str, value: Any, minimum: int, maximum: int | None = None) -> None:
    """Raise TypeError or ValueError unless `value` is an integer of the range."""
    is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_integer:
        raise TypeError(f"Expected {name} to be an integer. Received: {name}={value!r}.")
    if value < minimum:
        raise ValueError(f"Expected {name} to be at least {minimum}. Received: {name}={value}.")
    if maximum is not None and value > maximum:
        raise ValueError(f"Expected {name} to be at most {maximum}. Received: {name}={value}.")


def check_number(name: str, value: Any) -> None:
    """Raise TypeError or ValueError unless `value` is a number that float32 can hold."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number:
        raise TypeError(f"Expected {name} to be a number. Received: {name}={value!r}.")
    if not abs(value) <= _LARGEST:
        raise ValueError(f"Expected {name} to be finite in float32. Received: {name}={value!r}.")


def check_positive(name: str, value: Any) -> None:
    """Raise TypeError or ValueError unless `value` is a positive number in float32."""
    check_number(name, value)
    if value < _SMALLEST:
        raise ValueError(f"Expected {name} to be positive in float32. Received: {name}={value!r}.")
