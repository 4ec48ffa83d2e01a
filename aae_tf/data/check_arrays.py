"""Checks of arrays from outside, before anything is computed from them: inputs, labels, rows."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from aae_tf.checks import check_choice

_WHITE = 255.0


def check_array(x: Any, name: str, shape: Sequence[int | None] | None = None) -> np.ndarray:
    """Returns `x` as a float32 array of finite numbers, or raise an error that names the fault.

    Args:
        x: array-like of floats, [n, ...].
        name: str, the argument's name in messages.
        shape: shape of one row, with None for a size that is free; by default any shape.

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
    except ValueError:  # NumPy's error for rows of different lengths.
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


def check_labels(
    labels: Any,
    name: str,
    num_classes: int | None = None,
    required: str = "any",
    every_class: bool | None = None,
    size: int | None = None,
) -> np.ndarray:
    """Returns class labels as an array, or raise an error that names the fault.

    Args:
        labels: array-like of integers [n]: the class of each row, -1 where it is unknown.
        name: str, the argument's name in messages.
        num_classes: int, classes are 0 to `num_classes - 1`; by default any from 0.
        required: "any" (all may be unknown), "some" known labels, or "all" of them.
        every_class: bool, whether each of `num_classes` classes needs a known label; by default
            with `required="some"`.
        size: int, number of rows n; by default any.

    Returns:
        NumPy int64 [n].

    Raises:
        TypeError: if `labels` is no array of integers.
        ValueError: if it has another shape, a class out of range, or too few known labels.

    Example:

    >>> check_labels([0, -1, 1], "y", num_classes=2, required="some")
    array([ 0, -1,  1])
    """
    check_choice("required", required, ("any", "some", "all"))
    try:
        array = np.asarray(labels)
    except ValueError:  # NumPy's error for rows of different lengths.
        array = np.empty((), object)
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(
            f"Expected `{name}` to be an array of integers, the class of each row (-1: unknown). "
            f"Received: {name} of type {type(labels).__name__}, dtype={array.dtype}."
            f"{_suggest_conversion(array, name)}"
        )
    if array.ndim != 1 or size not in (None, len(array)):
        count = "n" if size is None else size
        raise ValueError(
            f"Expected `{name}` to have shape ({count},), the class of each row. "
            f"Received: {name}.shape={array.shape}.{_suggest_conversion(array, name)}"
        )
    array = array.astype(np.int64)
    _check_range(array, name, num_classes)
    _check_known(array, name, required)
    if num_classes is not None and (required == "some" if every_class is None else every_class):
        missing = np.setdiff1d(np.arange(num_classes), array)
        if len(missing):
            raise ValueError(
                f"Expected `{name}` to have a known label of each of the {num_classes} classes. "
                f"Received: {name} without a label of {', '.join(map(str, missing))}."
            )
    return array


def check_label_spec(element_spec: Any, name: str) -> None:
    """Checks that the elements of a `tf.data.Dataset` carry class labels.

    Args:
        element_spec: `tf.data.Dataset.element_spec`, of batches.
        name: str, the argument's name in messages.

    Raises:
        TypeError: if the labels are no tensor of integers.
        ValueError: if there are none, or they have another shape than [batch].

    Example:

    >>> import tensorflow as tf
    >>> batches = tf.data.Dataset.from_tensor_slices(([[0.5], [0.25]], [0, -1])).batch(2)
    >>> check_label_spec(batches.element_spec, "x")
    """
    # Imported here: `aae-tf` checks arrays before it imports TensorFlow.
    import keras
    import tensorflow as tf

    _, labels, _ = keras.utils.unpack_x_y_sample_weight(element_spec)
    if labels is None:
        raise ValueError(
            f"Expected `{name}` to yield pairs (inputs, labels). "
            f"Received: {name}.element_spec={element_spec!r}."
        )
    if not isinstance(labels, tf.TensorSpec) or not labels.dtype.is_integer:
        raise TypeError(
            f"Expected `{name}` to yield labels that are integers. Received: labels={labels!r}."
        )
    if labels.shape.rank not in (None, 1):
        raise ValueError(
            f"Expected `{name}` to yield labels of shape [batch]. Received: labels={labels!r}."
        )


def _suggest_conversion(array: np.ndarray, name: str) -> str:
    """Gives the expression that turns labels of another common form into integers [n]."""
    if array.ndim == 2 and array.shape[1] == 1:
        return f" This is a column: pass {name}[:, 0]."
    if array.ndim == 2 and array.dtype.kind in "biuf" and _is_one_hot(array):
        return f" These are one-hot vectors: pass {name}.argmax(axis=1)."
    if array.ndim == 1 and array.dtype.kind in "bf" and (array == np.rint(array)).all():
        return f" These are whole numbers: pass {name}.astype(int)."
    return ""


def _is_one_hot(array: np.ndarray) -> bool:
    return bool(np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all())


def _check_range(array: np.ndarray, name: str, num_classes: int | None) -> None:
    out = array < -1
    if num_classes is not None:
        out |= array >= num_classes
    if out.any():
        upper = "" if num_classes is None else f" to {num_classes - 1}"
        raise ValueError(
            f"Expected `{name}` to hold classes from 0{upper}, or -1 where the class is unknown. "
            f"Received: {name}[{out.argmax()}]={array[out.argmax()]}."
        )


def _check_known(array: np.ndarray, name: str, required: str) -> None:
    unknown = np.count_nonzero(array < 0)
    if required == "some" and unknown == len(array):
        raise ValueError(
            f"Expected `{name}` to hold at least one known label. "
            f"Received: {name} of {len(array)} rows, number of known labels=0."
        )
    if required == "all" and unknown:
        raise ValueError(
            f"Expected `{name}` to hold the label of every row. "
            f"Received: {name} of {len(array)} rows, {unknown} of them unknown (-1)."
        )


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
