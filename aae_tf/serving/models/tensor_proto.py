"""Conversion of the protocol's tensors to arrays, and of arrays to tensors."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto

from aae_tf.serving.errors import invalid_argument

# The typed field that carries each dtype.
_FIELDS = {
    tf.float32: "float_val",
    tf.float64: "double_val",
    tf.float16: "half_val",
    tf.bfloat16: "half_val",
    tf.int8: "int_val",
    tf.int16: "int_val",
    tf.int32: "int_val",
    tf.uint8: "int_val",
    tf.uint16: "int_val",
    tf.int64: "int64_val",
    tf.uint32: "uint32_val",
    tf.uint64: "uint64_val",
    tf.bool: "bool_val",
    tf.string: "string_val",
    tf.complex64: "scomplex_val",
    tf.complex128: "dcomplex_val",
}
# Dtypes whose bytes NumPy reads as they are.
_NUMBERS = {
    dtype.as_datatype_enum: np.dtype(dtype.as_numpy_dtype)
    for dtype, field in _FIELDS.items()
    if field not in ("half_val", "bool_val", "string_val")
}
_BY_NAME = {dtype.name: (dtype.as_datatype_enum, field) for dtype, field in _FIELDS.items()}


def to_array(name: str, proto: TensorProto, max_bytes: int) -> np.ndarray:
    """Reads a request's tensor.

    Values come as `tensor_content` or in the typed field; a typed field shorter than the shape
    is filled up with its last value, as the protocol has it.

    Args:
        name: The input's name, for the error.
        proto: The tensor.
        max_bytes: Largest array to make, because a short message may declare a huge shape.

    Returns:
        The array; strings are object arrays of bytes.

    Raises:
        ServingError: INVALID_ARGUMENT if the tensor cannot be read.
    """
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    try:
        dtype = _NUMBERS.get(proto.dtype)
        itemsize = dtype.itemsize if dtype else tf.as_dtype(proto.dtype).size or 1
        if proto.tensor_shape.unknown_rank or min(sizes, default=0) < 0:
            raise ValueError("its shape is not fully known")
        if math.prod(sizes) * itemsize > max_bytes:
            raise ValueError(f"its shape {sizes} asks for more than {max_bytes} bytes")
        if dtype and proto.tensor_content:
            # Nearly every request is of this kind; `make_ndarray` takes five times as long.
            return np.frombuffer(proto.tensor_content, dtype).reshape(sizes)
        return tf.make_ndarray(proto)
    except (KeyError, TypeError, ValueError) as error:
        raise invalid_argument(f"tensor parsing error: {name}: {error}") from error


def from_array(array: np.ndarray) -> TensorProto:
    """Writes an answer's tensor; see `fill`.

    Example:

        >>> from_array(np.float32([1.5, 2.0])).float_val
        [1.5, 2.0]
    """
    proto = TensorProto()
    fill(proto, array)
    return proto


def fill(proto: TensorProto, array: np.ndarray) -> None:
    """Writes an array into the typed field of a tensor, where the server's clients look for it.

    Args:
        proto: The tensor to write, empty; its `tensor_content` stays so.
        array: The array, of any dtype that a SavedModel's signature returns.

    Raises:
        ServingError: INVALID_ARGUMENT for a dtype that the protocol has no field for.
    """
    kind = "string" if array.dtype == object else array.dtype.name
    if kind not in _BY_NAME:
        raise invalid_argument(f"Expected an output that a tensor can carry. Received: {kind}.")
    proto.dtype, field = _BY_NAME[kind]
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    flat = array.ravel()
    if field == "half_val":
        flat = flat.view(np.uint16)
    elif array.dtype.kind == "c":
        flat = flat.view(flat.real.dtype)
    getattr(proto, field).extend(flat.tolist())
