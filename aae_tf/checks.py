"""Argument checks that builders and constructors share: each returns its value or names it."""

import importlib
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

_LARGEST = float(np.finfo(np.float32).max)
_SMALLEST = float(np.finfo(np.float32).tiny)

# Modules whose distribution has another name.
_DISTRIBUTIONS = {
    "grpc": "grpcio",
    "prometheus_client": "prometheus-client",
    "sklearn": "scikit-learn",
    "tensorflow_datasets": "tensorflow-datasets",
    "tensorflow_serving": "tensorflow-serving-api",
}


def is_positive_integer(value: Any) -> bool:
    """Tells whether `value` is an integer of any kind, not a bool, and at least 1."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= 1


def check_sizes(argument: str, sizes: Sequence[int]) -> tuple[int, ...]:
    """Returns `sizes` as a tuple of positive integers, or raises ValueError naming `argument`."""
    if (
        not isinstance(sizes, Sequence)
        or not sizes
        or not all(is_positive_integer(value) for value in sizes)
    ):
        raise ValueError(
            f"Expected `{argument}` to be a sequence of positive integers. "
            f"Received: {argument}={sizes!r}."
        )
    return tuple(int(value) for value in sizes)


def check_dimension(argument: str, value: int) -> int:
    """Returns `value` as a positive integer, or raises ValueError naming `argument`."""
    if not is_positive_integer(value):
        raise ValueError(
            f"Expected `{argument}` to be a positive integer. Received: {argument}={value!r}."
        )
    return int(value)


def check_integer(argument: str, value: Any, minimum: int = 0, maximum: int | None = None) -> int:
    """Returns `value` if it is an integer of the range.

    Raises:
        TypeError: if it is no integer.
        ValueError: if it is out of the range; both name `argument`.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"Expected `{argument}` to be an integer. Received: {argument}={value!r}.")
    value = int(value)
    if value < minimum:
        raise ValueError(
            f"Expected `{argument}` to be at least {minimum}. Received: {argument}={value}."
        )
    if maximum is not None and value > maximum:
        raise ValueError(
            f"Expected `{argument}` to be at most {maximum}. Received: {argument}={value}."
        )
    return value


def check_number(argument: str, value: Any) -> float:
    """Returns `value` if it is a number that float32 can hold.

    Raises:
        TypeError: if it is no number.
        ValueError: if it is not finite in float32; both name `argument`.
    """
    if not _is_number(value):
        raise TypeError(f"Expected `{argument}` to be a number. Received: {argument}={value!r}.")
    if not abs(value) <= _LARGEST:
        raise ValueError(
            f"Expected `{argument}` to be finite in float32. Received: {argument}={value!r}."
        )
    return float(value)


def check_positive(argument: str, value: Any) -> float:
    """Returns `value` if it is a positive number in float32; raises as `check_number` does."""
    if check_number(argument, value) < _SMALLEST:
        raise ValueError(
            f"Expected `{argument}` to be positive in float32. Received: {argument}={value!r}."
        )
    return float(value)


def check_rate(argument: str, value: float) -> float:
    """Returns `value` if it lies in [0, 1), or raises ValueError naming `argument`."""
    if not _is_number(value) or not 0.0 <= value < 1.0:
        raise ValueError(
            f"Expected `{argument}` to be a number in [0, 1). Received: {argument}={value!r}."
        )
    return float(value)


def check_non_negative(argument: str, value: float) -> float:
    """Returns `value` if it is a finite number >= 0, or raises ValueError naming `argument`."""
    if not _is_number(value) or not 0.0 <= value < float("inf"):
        raise ValueError(
            f"Expected `{argument}` to be a finite number, zero or more. "
            f"Received: {argument}={value!r}."
        )
    return float(value)


def check_choice(argument: str, value: Any, choices: Sequence[str]) -> str:
    """Returns `value` if it is one of `choices`, or raises ValueError naming `argument`."""
    if value not in choices:
        raise ValueError(
            f"Expected `{argument}` to be one of {', '.join(map(repr, choices))}. "
            f"Received: {argument}={value!r}."
        )
    return value


def resolve(argument: str, identifier: Any, base: type, by_name: Mapping[str, Callable]) -> Any:
    """Returns what an instance or a name stands for.

    Args:
        argument: name of the argument, for messages.
        identifier: instance of `base`, or a key of `by_name`.
        base: class of the instances.
        by_name: what makes a new instance, by name.

    Returns:
        `identifier` itself if it is an instance, else a new one.

    Raises:
        ValueError: if the name is unknown.
        TypeError: if `identifier` is neither.
    """
    if isinstance(identifier, base):
        return identifier
    if not isinstance(identifier, str):
        raise TypeError(
            f"Expected `{argument}` to be a name or a {base.__name__}. "
            f"Received: {argument}={identifier!r}."
        )
    if identifier not in by_name:
        raise ValueError(
            f"Expected `{argument}` to be one of {', '.join(map(repr, by_name))}, or an instance. "
            f"Received: {argument}={identifier!r}."
        )
    return by_name[identifier]()


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_bool(argument: str, value: Any) -> bool:
    """Returns `value`, or raises TypeError unless it is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"Expected `{argument}` to be a bool. Received: {argument}={value!r}.")
    return value


def import_extra(module: str, extra: str, purpose: str | None = None) -> Any:
    """Returns a module of a package that only an extra of aae_tf installs.

    Args:
        module: its full name, such as "matplotlib.figure".
        extra: name of the extra, such as "figures".
        purpose: what needs the package, for the message; None repeats the name of the extra.

    Returns:
        The imported module.

    Raises:
        ImportError: if the package is not installed; names the package and the extra.

    Example:

    >>> import_extra("missing.colors", "figures")
    Traceback (most recent call last):
        ...
    ImportError: Expected missing to be installed for figures: pip install "aae_tf[figures]".
    """
    package = module.partition(".")[0]
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        # The package is there, and one that it imports is missing.
        if error.name != package:
            raise
        raise ImportError(
            f"Expected {_DISTRIBUTIONS.get(package, package)} to be installed for "
            f'{purpose or extra}: pip install "aae_tf[{extra}]".',
            name=package,
        ) from None
    return importlib.import_module(module)
