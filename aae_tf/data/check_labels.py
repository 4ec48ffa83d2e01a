"""Checks of class labels from outside, before anything is computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aae_tf.checks import check_choice
from aae_tf.data.conversions import name_dtype, to_numpy


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
        labels: integers [n], as an array, series or tensor of any library: the class of each row,
            -1 where it is unknown.
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
    array = _integers_of(to_numpy(labels, name))
    advice = _suggest_conversion(array, name)
    check_label_type(array.dtype, array.shape, name, size, type(labels).__name__, advice)
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
    label_name = label_argument(name)
    if not isinstance(labels, tf.TensorSpec):
        raise TypeError(
            f"Expected `{label_name}` to be one tensor of integers. "
            f"Received: {label_name}={labels!r}."
        )
    check_label_type(labels.dtype, labels.shape.rank and tuple(labels.shape), label_name)


def label_argument(argument: str) -> str:
    """Gives the name, in messages, of the labels that come with the inputs `argument`."""
    return "y" if argument == "x" else f"y of {argument}"


def check_label_type(
    dtype: Any,
    shape: Sequence[int | None] | None,
    name: str,
    size: int | None = None,
    type_name: str = "Tensor",
    advice: str | None = None,
) -> None:
    """Refuses labels that are no integers [n].

    Args:
        dtype: of NumPy or TensorFlow.
        shape: that of the labels; None for a size that is not known, or for all.
        name: str, the argument's name in messages.
        size: int, number of rows n; by default any.
        type_name: name of the labels' class, for messages.
        advice: what to pass in their place; by default what can be told from dtype and shape.

    Raises:
        TypeError: if they are no integers.
        ValueError: if their shape is not [n].
    """
    dtype_name = name_dtype(dtype)
    is_list = shape is None or len(shape) == 1
    if advice is None:
        is_column = shape is not None and len(shape) == 2 and shape[1] == 1
        advice = "" if is_list else f" Of one-hot vectors pass {name}.argmax(axis=1)."
        advice = f" This is a column: pass {name}[:, 0]." if is_column else advice
    if "int" not in dtype_name:
        raise TypeError(
            f"Expected `{name}` to be an array of integers, the class of each row (-1: unknown). "
            f"Received: {name} of type {type_name}, dtype={dtype_name}.{advice}"
        )
    if not is_list or (shape is not None and size is not None and shape[0] != size):
        raise ValueError(
            f"Expected `{name}` to have shape ({'n' if size is None else size},), the class of "
            f"each row. Received: {name}.shape={tuple(shape or ())}.{advice}"
        )


def _integers_of(array: np.ndarray) -> np.ndarray:
    """Converts objects that are all integers, as nullable integers of pandas are, to integers."""
    is_list = array.dtype.kind == "O" and array.ndim == 1 and len(array) > 0
    if is_list and all(isinstance(each, int | np.integer) for each in array.tolist()):
        return array.astype(np.int64)
    return array


def _suggest_conversion(array: np.ndarray, name: str) -> str:
    """Gives the expression that turns labels of another common form into integers [n]."""
    kind = array.dtype.kind
    if kind in "OUST" and array.ndim == 1:
        return (
            f" Number the classes: {name}, names = pandas.factorize({name}), where a missing label "
            "becomes -1; or keras.layers.StringLookup(num_oov_indices=0)."
        )
    if array.ndim == 2 and array.shape[1] == 1:
        return f" This is a column: pass {name}[:, 0]."
    if array.ndim == 2 and kind in "biuf" and _is_one_hot(array):
        return f" These are one-hot vectors: pass {name}.argmax(axis=1)."
    if array.ndim == 1 and kind == "f" and np.isnan(array).any():
        return f" Unknown labels are -1: pass numpy.nan_to_num({name}, nan=-1).astype(int)."
    if array.ndim == 1 and kind in "bf" and (array == np.rint(array)).all():
        return f" These are whole numbers: pass {name}.astype(int)."
    return ""


def _is_one_hot(array: np.ndarray) -> bool:
    return bool(np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all())


def _check_range(array: np.ndarray, name: str, num_classes: int | None) -> None:
    out = array < -1
    if num_classes is not None:
        out |= array >= num_classes
    if out.any():
        raise ValueError(
            f"Expected {describe_range(name, num_classes)} "
            f"Received: {name}[{out.argmax()}]={array[out.argmax()]}."
        )


def describe_range(name: str, num_classes: int | None, all_known: bool = False) -> str:
    """Gives the part of a message that says which labels there may be."""
    last = "" if num_classes is None else f" to {num_classes - 1}"
    unknown = "" if all_known else ", or -1 where the class is unknown"
    count = "" if num_classes is None else f" (labels of {num_classes} classes)"
    return f"`{name}` to hold classes from 0{last}{unknown}{count}."


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
