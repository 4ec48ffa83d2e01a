"""Checks of inputs from outside, before anything is computed from them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from aae_tf.data.conversions import column_names, input_batches, is_pipeline, name_dtype, to_numpy

_WHITE = 255.0
# Values that lie in [0, 1] but for rounding.
_TOLERANCE = 1e-3
# So many rows of a batch that are all equal are no chance.
_SMALLEST_BATCH = 8


def check_array(
    x: Any, name: str, shape: Sequence[int | None] | None = None, finite: bool = True
) -> np.ndarray:
    """Returns `x` as a float32 array of finite numbers, or raise an error that names the fault.

    Args:
        x: floats [n, ...]: an array, frame or tensor of any library, or a pipeline of batches,
            whose inputs are put together.
        name: str, the argument's name in messages.
        shape: shape of one row, with None for a size that is free; by default any shape.
        finite: whether NaN and infinite values are refused.

    Returns:
        NumPy float32 [n, ...]; `x` itself where it is one already.

    Raises:
        TypeError: if `x` holds no floats.
        ValueError: if it has no rows axis, rows of another shape, or NaN or infinite values.

    Example:

    >>> check_array([[0.0, 1.0]], "x", shape=[2]).dtype
    dtype('float32')
    """
    if is_pipeline(x):
        batches = [check_array(each, name, shape, finite) for each in input_batches(x, name)]
        if not batches:
            raise ValueError(f"Expected `{name}` to yield batches. Received: {name}={x!r}.")
        return np.concatenate(batches)
    array = to_numpy(x, name)
    check_input_type(array.dtype, array.shape, name, shape, type(x).__name__)
    with np.errstate(over="ignore"):  # What overflows float32 is reported as infinite.
        array = array.astype(np.float32, copy=False)
    place = describe_non_finite(array, name, column_names(x)) if finite else None
    if place is not None:
        raise ValueError(f"Expected `{name}` to have finite values. Received: {place}.")
    return array


def describe_non_finite(
    array: np.ndarray, name: str, columns: Sequence[str] | None = None
) -> str | None:
    """Says where the first value that is not finite stands, and which it is.

    Args:
        array: floats [n, ...].
        name: str, the name of the array.
        columns: names of the columns, if it has any.

    Returns:
        Such as "x[17, 3]=nan"; None where all values are finite.

    Example:

    >>> describe_non_finite(np.array([[0.0, np.nan]]), "x", ["age", "income"])
    "x[0, 1]=nan (row 0, column 'income')"
    """
    is_finite = np.isfinite(array)
    if is_finite.all():
        return None
    index = tuple(int(i) for i in np.unravel_index(is_finite.argmin(), is_finite.shape))
    column = "" if columns is None else f" (row {index[0]}, column {columns[index[1]]!r})"
    return f"{name}[{', '.join(map(str, index))}]={array[index]}{column}"


def check_input_type(
    dtype: Any,
    shape: Sequence[int | None] | None,
    name: str,
    row_shape: Sequence[int | None] | None = None,
    type_name: str = "Tensor",
) -> None:
    """Refuses inputs that are no floats, or whose rows have another shape.

    Args:
        dtype: of NumPy or TensorFlow.
        shape: that of the inputs, rows first; None for a size that is not known, or for all.
        name: str, the argument's name in messages.
        row_shape: shape of one row, with None for a size that is free; by default any shape.
        type_name: name of the inputs' class, for messages.

    Raises:
        TypeError: if they are no floats.
        ValueError: if they have no rows axis, or rows of another shape.
    """
    dtype_name = name_dtype(dtype)
    if "float" not in dtype_name:
        raise TypeError(
            f"Expected `{name}` to be an array of floats (images: in [0, 1]). "
            f"Received: {name} of type {type_name}, dtype={dtype_name}."
            + (f" Scale 8-bit pixels: {name} / 255." if dtype_name == "uint8" else "")
        )
    if shape is None:
        return
    given = tuple(shape)
    if given and (row_shape is None or _agree(given[1:], row_shape)):
        return
    row_shape = None if row_shape is None else tuple(row_shape)
    rows = "any shape" if row_shape is None else f"shape {row_shape}"
    advice = ""
    if row_shape and _agree(given, row_shape):
        advice = f" This is a single row: pass {name}[None], or batch the data set."
    elif row_shape and row_shape[-1:] == (1,) != row_shape and _agree(given[1:], row_shape[:-1]):
        advice = f" Add the channel axis: {name}[..., None]."
    raise ValueError(
        f"Expected `{name}` to have rows of {rows}. Received: {name}.shape={given}.{advice}"
    )


def _agree(shape: Sequence[int | None], expected: Sequence[int | None]) -> bool:
    return len(shape) == len(expected) and all(
        None in (size, n) or size == n for size, n in zip(expected, shape, strict=True)
    )


def check_training_data(
    x: np.ndarray,
    y: np.ndarray | None,
    name: str,
    stacklevel: int = 2,
    targets: np.ndarray | None = None,
    sigmoid: bool = False,
    rescaling: str | None = None,
    whole: bool = True,
    any_range: bool = False,
) -> None:
    """Refuses data of equal rows, and warns of values that no decoder is likely to give.

    Args:
        x: float32 [n, ...], finite.
        y: integers [n], -1 where a label is unknown; None without labels.
        name: name of the argument in messages.
        stacklevel: as in `warnings.warn`.
        targets: float32 [n, ...], what outputs are compared with; None is `x`.
        sigmoid: whether the decoder ends in a sigmoid.
        rescaling: name of a layer of the encoder that rescales its inputs, if there is one.
        whole: whether these are all rows. The few of a small batch may be equal.
        any_range: whether networks standardize values and restore their units.

    Raises:
        ValueError: if all of two or more rows are equal.

    Warns:
        UserWarning: if values look like unscaled 8-bit pixels, or lie beyond the outputs of a
            sigmoid, or if equal rows have different labels.

    Example:

    >>> check_training_data(np.eye(2, dtype="float32"), np.array([0, 1]), "x")
    """
    smallest = 2 if whole else _SMALLEST_BATCH
    if len(x) >= smallest and all(np.array_equal(row, x[0]) for row in x[1:]):
        raise ValueError(
            f"Expected `{name}` to have rows that differ. Received: {name} of {len(x)} equal rows."
        )
    warning = None if any_range else _range_warning(x, targets, name, sigmoid, rescaling)
    if warning is not None:
        warnings.warn(warning, UserWarning, stacklevel=stacklevel)
    contradictions = 0 if y is None else _count_contradictions(x, y)
    if contradictions:
        warnings.warn(
            f"{contradictions} labelled rows of `{name}` equal an earlier row with another label. "
            "At most one of two such labels can be learned: correct the labels, or set them to -1 "
            "(unknown).",
            UserWarning,
            stacklevel=stacklevel,
        )


def _range_warning(
    x: np.ndarray, targets: np.ndarray | None, name: str, sigmoid: bool, rescaling: str | None
) -> str | None:
    compared = x if targets is None else targets
    if not compared.size:
        return None
    is_8_bit = has_8_bit_range(compared)
    if is_8_bit and rescaling is not None:
        return (
            f"The encoder rescales `{name}` itself, by its layer {rescaling!r}, and outputs are "
            "compared with the values as they are given, in [0, 255]. Give scaled targets beside "
            f"them, fit({name}, {name} / 255), or scale before the model and leave the layer out."
        )
    if is_8_bit or (rescaling is None and has_8_bit_range(x)):
        return (
            f"The values of `{name}` lie in [0, 255], as 8-bit pixels do. Decoders that end in a "
            f"sigmoid give values in [0, 1]: scale the pixels, {name} / 255. Other data are better "
            "standardized."
        )
    low, high = compared.min(), compared.max()
    if sigmoid and (low < -_TOLERANCE or high > 1.0 + _TOLERANCE):
        return (
            f"The decoder ends in a sigmoid, whose outputs lie in [0, 1], and `{name}` has values "
            f"from {low:.3g} to {high:.3g}. End the decoder linearly, "
            "output_activation='linear', or scale the values to [0, 1]."
        )
    return None


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
