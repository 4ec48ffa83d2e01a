"""Arrays, frames and tensors of any library as NumPy arrays; pipelines as batches of them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np


def to_numpy(x: Any, name: str = "x") -> np.ndarray:
    """Returns an array-like of any library as a NumPy array of the same values.

    Args:
        x: NumPy array, nested list, pandas or polars frame or series, or tensor of TensorFlow,
            PyTorch or JAX. The columns of a frame become one array; missing numbers become NaN.
        name: name of the argument in messages.

    Returns:
        The array. Its dtype is object where rows have different lengths, or `x` is no array.

    Raises:
        TypeError: if a column of a frame holds no numbers.

    Example:

    >>> to_numpy([[1.0, 2.0]]).shape
    (1, 2)
    """
    if isinstance(x, np.ndarray):
        return x
    if hasattr(x, "to_numpy"):
        return _frame_to_numpy(x, name)
    if hasattr(x, "detach"):  # A tensor of PyTorch that may need a gradient, or lie on a device.
        x = x.detach().cpu()
    try:
        array = np.asarray(x)
    except ValueError:  # NumPy's error for rows of different lengths.
        return np.empty((), object)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def name_dtype(dtype: Any) -> str:
    """Returns the name of a dtype of NumPy or TensorFlow, such as "float32"."""
    return str(dtype) if isinstance(dtype, np.dtype) else dtype.name


def column_names(x: Any) -> list[str] | None:
    """Returns the names of a frame's columns; None where `x` is no frame."""
    columns = getattr(x, "columns", None) if hasattr(x, "to_numpy") else None
    return None if columns is None else list(map(str, columns))


def is_pipeline(x: Any) -> bool:
    """Tells whether `x` yields batches: a tf.data.Dataset, PyDataset, generator or DataLoader.

    Example:

    >>> is_pipeline([[0.0]]), is_pipeline(batch for batch in [[[0.0]]])
    (False, True)
    """
    return (
        hasattr(x, "element_spec")
        or inspect.isgenerator(x)
        or is_py_dataset(x)
        or any(cls.__name__ == "DataLoader" for cls in type(x).__mro__)
    )


def is_py_dataset(x: Any) -> bool:
    """Tells whether `x` is a `keras.utils.PyDataset`."""
    # Whoever made one has imported Keras.
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(x, keras.utils.PyDataset)


def collect_pairs(x: Any, y: Any = None, name: str = "x") -> tuple[Any, Any]:
    """Collects inputs and labels from a pipeline; other inputs are returned as they are.

    Args:
        x: inputs, or a pipeline of inputs or pairs `(inputs, labels)`, see `is_pipeline`.
        y: labels [n] beside inputs that are no pipeline, or None.
        name: name of the argument in messages.

    Returns:
        Inputs and labels, None where there are none.

    Raises:
        ValueError: if the pipeline has no end or no batch.

    Example:

    >>> x, y = collect_pairs(batch for batch in [([[0.5]], [0]), ([[1.0]], [2])])
    >>> x.tolist(), y.tolist()
    ([[0.5], [1.0]], [0, 2])
    """
    if not is_pipeline(x):
        return x, y
    inputs, labels = [], []
    for batch in whole_batches(x, name):
        parts = tuple(batch) if isinstance(batch, tuple | list) else (batch,)
        inputs.append(to_numpy(parts[0], name))
        if len(parts) > 1 and parts[1] is not None:
            part = parts[1]
            labels.append(to_numpy(part["labels"] if isinstance(part, dict) else part, name))
    if not inputs:
        raise ValueError(f"Expected `{name}` to yield batches. Received: {name}={x!r}.")
    return np.concatenate(inputs), np.concatenate(labels) if labels else y


def input_batches(pipeline: Any, name: str = "x") -> Iterator[Any]:
    """Yields the inputs of each batch of a pipeline once; raises as `whole_batches` does."""
    for batch in whole_batches(pipeline, name):
        yield batch[0] if isinstance(batch, tuple | list) else batch


def whole_batches(pipeline: Any, name: str = "x") -> Iterator[Any]:
    """Yields each batch of a pipeline once.

    Args:
        pipeline: see `is_pipeline`.
        name: name of the argument in messages.

    Raises:
        ValueError: if the pipeline has no end.
    """
    if is_py_dataset(pipeline):
        count = pipeline.num_batches
        batches: Any = None if count is None else (pipeline[index] for index in range(count))
    else:
        # A tf.data.Dataset that is repeated for ever has the cardinality -1.
        is_endless = hasattr(pipeline, "cardinality") and int(pipeline.cardinality()) == -1
        batches = None if is_endless else pipeline
    if batches is None:
        raise ValueError(
            f"Expected `{name}` to end, since all of its batches are read. "
            f"Received: {name}={pipeline!r} without an end."
        )
    yield from batches


def _frame_to_numpy(frame: Any, name: str) -> np.ndarray:
    array = np.asarray(frame.to_numpy())
    if array.dtype.kind != "O":
        return array
    # Missing values of pandas make objects of numbers.
    try:
        return frame.to_numpy(dtype="float64", na_value=np.nan)
    except (TypeError, ValueError):
        pass
    for column in getattr(frame, "columns", ()):
        dtype = frame[column].dtype
        if getattr(dtype, "kind", "O") not in "biuf":
            raise TypeError(
                f"Expected `{name}` to have columns of numbers. Received: column {str(column)!r} "
                f"of dtype={dtype}. Encode it first, e.g. by pandas.get_dummies({name}), and "
                f"standardize it like the other columns."
            )
    return array
