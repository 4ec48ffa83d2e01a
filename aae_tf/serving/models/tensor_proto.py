"""Conversion of the protocol's tensors to arrays, and of arrays to tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto

from aae_tf.serving.errors import ServingError, invalid_argument

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
# As in TensorFlow; NumPy stops at 64.
_MAX_RANK = 254
# Values that are written at once: no other thread runs meanwhile.
_CHUNK = 2**16
# Numbers of the fields whose bytes on the wire are those of the array.
_FIXED_WIDTH = {"float_val": 5, "double_val": 6, "scomplex_val": 9, "dcomplex_val": 12}
_BY_NAME = {dtype.name: (dtype.as_datatype_enum, field) for dtype, field in _FIELDS.items()}


def declared_shape(name: str, proto: TensorProto) -> list[int]:
    """Returns the shape that a request's tensor declares, before anything of it is made.

    Args:
        name: The input's name, for the error.
        proto: The tensor.

    Raises:
        ServingError: INVALID_ARGUMENT if the shape is not fully known or of too many dimensions.
    """
    dims = proto.tensor_shape.dim
    if len(dims) > _MAX_RANK:
        raise _parsing_error(name, f"its shape has more than {_MAX_RANK} dimensions")
    sizes = [dim.size for dim in dims]
    if proto.tensor_shape.unknown_rank or min(sizes, default=0) < 0:
        raise _parsing_error(name, "its shape is not fully known")
    return sizes


def to_array(name: str, proto: TensorProto, sizes: Sequence[int]) -> np.ndarray:
    """Reads a request's tensor.

    Values come as `tensor_content` or in the typed field. Of a typed field longer than the shape
    the first values count; a shorter one is filled up with its last value, as the protocol has it.

    Args:
        name: The input's name, for the error.
        proto: The tensor.
        sizes: Its `declared_shape`. A short message may declare a huge one: check it first.

    Returns:
        The array; strings are object arrays of bytes.

    Raises:
        ServingError: INVALID_ARGUMENT if the tensor cannot be read.
    """
    try:
        dtype = _NUMBERS.get(proto.dtype)
        if dtype and proto.tensor_content:
            # Nearly every request is of this kind; `make_ndarray` takes five times as long.
            return np.frombuffer(proto.tensor_content, dtype).reshape(sizes)
        if not proto.tensor_content:
            _drop_surplus(proto, math.prod(sizes))
        return tf.make_ndarray(proto)
    except (KeyError, TypeError, ValueError) as error:
        raise _parsing_error(name, str(error)) from error


def _drop_surplus(proto: TensorProto, count: int) -> None:
    field = _FIELDS.get(tf.as_dtype(proto.dtype))
    if field is not None:
        values = getattr(proto, field)
        del values[count * (2 if field.endswith("complex_val") else 1) :]


def _parsing_error(name: str, reason: str) -> ServingError:
    return invalid_argument(f"tensor parsing error: {name}: {reason}")


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
    proto.tensor_shape.SetInParent()  # that of a scalar is present too, and empty
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    flat = array.ravel()
    if field == "half_val":
        flat = flat.view(np.uint16)
    elif array.dtype.kind == "c":
        flat = flat.view(flat.real.dtype)
    number = _FIXED_WIDTH.get(field)
    if number is not None and flat.size:
        # Ten times as fast as to make a Python number of each.
        content = flat.astype(flat.dtype.newbyteorder("<"), copy=False).tobytes()
        proto.MergeFromString(bytes([number << 3 | 2]) + _varint(len(content)) + content)
        return
    for start in range(0, flat.size, _CHUNK):
        getattr(proto, field).extend(flat[start : start + _CHUNK].tolist())


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])
