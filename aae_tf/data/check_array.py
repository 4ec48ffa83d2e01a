"""The check of arrays from outside, before anything is computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def check_array(x: Any, name: str, shape: Sequence[int | None] | None = None) -> np.ndarray:
    """Return `x` as a float32 array of finite numbers, or say what is wrong with it.

    Args:
        x: array-like of floats, [n, ...].
        name: str, the argument's name in messages.
        shape: shape of one row, None where any size will do; by default any shape.

    Returns:
        NumPy float32 [n, ...]; `x` itself where it is one already.

    Raises:
        TypeError: if `x` is no array of floats.
        ValueError: if it has no rows axis, rows of another shape, or NaN or infinite values.

    Example:
        >>> check_array([[0.0, 1.0]], "x", shape=[2]).dtype
        dtype('float32')
    """
    try:
        array = np.asarray(x)
    except ValueError:  # NumPy's word for rows of different lengths.
        array = np.empty((), object)
    if array.dtype.kind != "f":
        raise TypeError(
            f"Expected `{name}` to be an array of floats (images: in [0, 1]). "
            f"Received: {name} of type {type(x).__name__}, dtype={array.dtype}."
            + (f" Scale 8-bit pixels: {name} / 255." if array.dtype == np.uint8 else "")
        )
    rows = "any shape" if shape is None else f"shape {tuple(shape)}"
    if array.ndim == 0 or (
        shape is not None
        and (
            array.ndim != len(shape) + 1
            or any(size not in (None, n) for size, n in zip(shape, array.shape[1:], strict=True))
        )
    ):
        raise ValueError(
            f"Expected `{name}` to have rows of {rows}. Received: {name}.shape={array.shape}."
        )
    with np.errstate(over="ignore"):  # What overflows float32 is reported as infinite.
        array = array.astype(np.float32, copy=False)
    finite = np.isfinite(array)
    if not finite.all():
        index = tuple(int(i) for i in np.unravel_index(finite.argmin(), finite.shape))
        where = ", ".join(map(str, index))
        raise ValueError(
            f"Expected `{name}` to have finite values. Received: {name}[{where}]={array[index]}."
        )
    return array
