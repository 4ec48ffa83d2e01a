"""Rows of many requests to the arrays of one batch, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import grpc
import numpy as np

from aae_tf.serving.errors import ServingError, invalid_argument


def count_rows(inputs: Mapping[str, np.ndarray]) -> int:
    """Returns the size of dimension 0, which all arrays of `inputs` share.

    Raises:
        ServingError: INVALID_ARGUMENT where there is no input, a scalar, or they differ.

    Example:

        >>> count_rows({"seed": np.int64([7, 8]), "label": np.int64([0, 1])})
        2
    """
    rows = -1
    for array in inputs.values():
        shape = array.shape
        if not shape:
            raise invalid_argument(
                "Batching session Run() input tensors must have at least one dimension."
            )
        if rows not in (-1, shape[0]):
            raise invalid_argument(
                "Batching session Run() input tensors must have equal 0th-dimension size."
            )
        rows = shape[0]
    if rows == -1:
        raise invalid_argument("Batching session Run() must have at least one input tensor.")
    return rows


def merge_inputs(
    requests: Sequence[Mapping[str, np.ndarray]], padding: int = 0, pad_lengths: bool = False
) -> Mapping[str, np.ndarray]:
    """Puts the rows of requests one after the other.

    Args:
        requests: Inputs of each request, with the same names; at least one request.
        padding: Copies of the last request's first row to add at the end; >= 0.
        pad_lengths: Whether arrays whose other dimensions differ are padded to the longest, each
            with its own first element, rather than refused.

    Returns:
        Arrays by name. Those of a single request are its own, not copies.

    Raises:
        ServingError: FAILED_PRECONDITION where shapes do not fit together, INVALID_ARGUMENT
            where data types differ.

    Example:

        >>> merge_inputs([{"x": np.float32([1.0])}, {"x": np.float32([2.0, 3.0])}], padding=1)
        {'x': array([1., 2., 3., 2.], dtype=float32)}
    """
    if len(requests) == 1 and not padding:
        return requests[0]
    merged = {}
    for name in requests[0]:
        arrays = [inputs[name] for inputs in requests]
        if pad_lengths:
            arrays = _pad_to_longest(name, arrays)
        if padding:
            row = arrays[-1][:1]
            arrays.append(np.broadcast_to(row, (padding, *row.shape[1:])))
        merged[name] = _concatenate(name, arrays)
    return merged


def check_outputs(outputs: Mapping[str, np.ndarray], rows: int) -> None:
    """Checks that every output has a row for each of the `rows` of the batch.

    Raises:
        ServingError: FAILED_PRECONDITION, since the signature cannot be batched.
    """
    for array in outputs.values():
        if array.ndim == 0:
            raise _failed_precondition("Batched output tensor has 0 dimensions.")
        if array.shape[0] != rows:
            raise _failed_precondition(
                "Batched output tensor's 0th dimension does not equal the sum of the 0th "
                f"dimension sizes of the input tensors: {array.shape[0]} != {rows}."
            )


def split_outputs(
    outputs: Mapping[str, np.ndarray], sizes: Sequence[int]
) -> Iterator[dict[str, np.ndarray]]:
    """Yields, for each of `sizes`, a dict of views of that many rows; rows beyond are dropped.

    Example:

        >>> list(split_outputs({"y": np.float32([1.0, 2.0, 3.0])}, [2]))
        [{'y': array([1., 2.], dtype=float32)}]
    """
    start = 0
    for size in sizes:
        stop = start + size
        yield {name: array[start:stop] for name, array in outputs.items()}
        start = stop


def _concatenate(name: str, arrays: list[np.ndarray]) -> np.ndarray:
    try:
        # NumPy would promote, and so let a wrong type pass beside a right one.
        return np.concatenate(arrays, casting="no")
    except TypeError as error:
        if all(array.dtype.kind in "SO" for array in arrays):
            # NumPy has a dtype for each length of strings, TensorFlow one for all.
            return _concatenate(name, [array.astype(object) for array in arrays])
        types = ", ".join(sorted({str(array.dtype) for array in arrays}))
        raise invalid_argument(
            f"Cannot concatenate tensors with name '{name}' that have different data types: "
            f"{types}."
        ) from error
    except ValueError as error:
        raise _failed_precondition(
            f"Tensors with name '{name}' from different tasks have different shapes and padding "
            "is turned off. Set pad_variable_length_inputs to true, or send equal dimensions "
            "after the first."
        ) from error


def _pad_to_longest(name: str, arrays: list[np.ndarray]) -> list[np.ndarray]:
    shapes = {array.shape[1:] for array in arrays}
    if len(shapes) == 1:
        return arrays
    if len({len(shape) for shape in shapes}) > 1:
        raise _failed_precondition(
            f"Tensors with name '{name}' from different tasks have different shapes that no "
            "padding makes equal: their ranks differ."
        )
    longest = tuple(max(sizes) for sizes in zip(*shapes, strict=True))
    return [_pad(array, longest) for array in arrays]


def _pad(array: np.ndarray, longest: tuple[int, ...]) -> np.ndarray:
    if array.shape[1:] == longest:
        return array
    empty = b"" if array.dtype.kind in "SO" else 0
    padded = np.full(
        (len(array), *longest), array.flat[0] if array.size else empty, dtype=array.dtype
    )
    padded[tuple(slice(size) for size in array.shape)] = array
    return padded


def _failed_precondition(message: str) -> ServingError:
    return ServingError(grpc.StatusCode.FAILED_PRECONDITION, message)
