"""Arrays from nested JSON lists, by TensorFlow Serving's rules for each dtype."""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import math
from collections.abc import Sequence
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2

from aae_tf.serving.errors import ServingError, invalid_argument

_INT32 = (-(2**31), 2**31 - 1)
# Integers that JSON may give for each dtype. As in the server, the range of the narrow ones is
# that of int32, and values wrap around.
_INTEGER_RANGES = {
    types_pb2.DT_INT8: _INT32,
    types_pb2.DT_INT16: _INT32,
    types_pb2.DT_INT32: _INT32,
    types_pb2.DT_UINT8: _INT32,
    types_pb2.DT_INT64: (-(2**63), 2**63 - 1),
    types_pb2.DT_UINT32: (0, 2**32 - 1),
    types_pb2.DT_UINT64: (0, 2**64 - 1),
}
_PYTHON_TYPES: dict[int, set[type]] = {
    types_pb2.DT_FLOAT: {float, int},
    types_pb2.DT_DOUBLE: {float, int},
    types_pb2.DT_BOOL: {bool},
    types_pb2.DT_STRING: {str, dict},
    **{dtype: {int} for dtype in _INTEGER_RANGES},
}
_JSON_TYPES = {
    type(None): "Null",
    dict: "Object",
    list: "Array",
    str: "String",
    int: "Number",
    float: "Number",
}
_MAX_ECHO = 256
# NumPy's; TensorFlow has 254.
_MAX_RANK = 64
# Values that are converted at once: no other thread runs meanwhile.
_AT_ONCE = 2**15


def to_array(value: Any, dtype: int) -> np.ndarray:
    """Converts a JSON value, a scalar or evenly nested lists, to an array.

    Numbers of any spelling become floats; integers must be spelt as such (1.0 is refused), and
    `true` is no number. Strings become bytes, and so do `{"b64": "..."}` objects.

    Args:
        value: What the JSON parser made.
        dtype: The `DataType` that the signature asks for.

    Returns:
        The array; strings are object arrays of bytes.

    Raises:
        ServingError: INVALID_ARGUMENT for ragged lists or a value of another type,
            UNIMPLEMENTED for a dtype that JSON cannot carry, such as half.

    Example:

        >>> to_array([[1, 2.5], [float("inf"), -3]], types_pb2.DT_FLOAT)
        array([[ 1. ,  2.5],
               [ inf, -3. ]], dtype=float32)
    """
    shape = _first_shape(value)
    if len(shape) > _MAX_RANK:
        raise invalid_argument(
            f"Expected a tensor of at most {_MAX_RANK} dimensions. Received: {len(shape)}."
        )
    size = math.prod(shape)
    if size <= _AT_ONCE:
        return _to_small_array(value, shape, dtype)
    if len(value) == 1:
        return to_array(value[0], dtype)[np.newaxis]
    step = max(1, _AT_ONCE * len(value) // size)
    parts = []
    for start in range(0, len(value), step):
        parts.append(to_array(value[start : start + step], dtype))
        _check_same_rows(parts[-1].shape, parts[0].shape)
    return np.concatenate(parts)


def _first_shape(value: Any) -> list[int]:
    """Returns the lengths of a list, its first list, and so on."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    return shape


def _check_same_rows(shape: Sequence[int], first: Sequence[int]) -> None:
    for level, (size, expected) in enumerate(zip(shape[1:], first[1:], strict=False), start=1):
        if size != expected:
            raise invalid_argument(
                f"Encountered list at unexpected size: {size} at level: {level} "
                f"expected size: {expected}"
            )
    if len(shape) != len(first):
        raise invalid_argument(
            f"Encountered list at unexpected level: {len(shape)} expected < {len(first)}"
        )


def _to_small_array(value: Any, shape: Sequence[int], dtype: int) -> np.ndarray:
    # Each level is checked as a whole: the loops over values run inside `set`, `map` and `chain`.
    values = [value]
    for level, size in enumerate(shape):
        if set(map(type, values)) - {list}:
            other = next(item for item in values if not isinstance(item, list))
            raise invalid_argument(
                f"JSON Value: {echo(other)} found at incorrect level: {level + 1} in the JSON "
                f"DOM. Expected at level: {len(shape)}"
            )
        if set(map(len, values)) - {size}:
            other = next(item for item in values if len(item) != size)
            raise invalid_argument(
                f"Encountered list at unexpected size: {len(other)} at level: {level} "
                f"expected size: {size}"
            )
        values = list(itertools.chain.from_iterable(values))
    if list in set(map(type, values)):
        raise invalid_argument(
            f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}"
        )
    return _convert(values, dtype).reshape(shape)


def is_base64(value: Any) -> bool:
    """Tells whether `value` is an object that stands for a binary string."""
    return isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str)


def echo(value: Any) -> str:
    """Returns the start of `value` as JSON, for an error message."""
    parts = itertools.islice(json.JSONEncoder().iterencode(value), _MAX_ECHO)
    return "".join(parts)[:_MAX_ECHO]


def dtype_name(dtype: int) -> str:
    """Returns the server's name of a `DataType`, such as "float" or "half"."""
    return types_pb2.DataType.Name(dtype).removeprefix("DT_").lower()


def _convert(values: list[Any], dtype: int) -> np.ndarray:
    if dtype not in _PYTHON_TYPES:
        value = echo(values[0] if values else values)
        raise ServingError(
            grpc.StatusCode.UNIMPLEMENTED,
            f"Conversion of JSON Value: {value} to type: {dtype_name(dtype)}",
        )
    if not set(map(type, values)) <= _PYTHON_TYPES[dtype]:
        raise _type_error(next(v for v in values if type(v) not in _PYTHON_TYPES[dtype]), dtype)
    if dtype == types_pb2.DT_STRING:
        array = np.empty(len(values), dtype=object)
        array[:] = [_to_bytes(value) for value in values]
        return array
    if dtype in _INTEGER_RANGES and values:
        low, high = _INTEGER_RANGES[dtype]
        if min(values) < low or max(values) > high:
            raise _type_error(next(v for v in values if not low <= v <= high), dtype)
        return np.array(values, np.uint64 if high >= 2**63 else np.int64).astype(_numpy(dtype))
    try:
        # JSON numbers are doubles; what float32 cannot hold becomes infinite or zero.
        with np.errstate(over="ignore"):
            return np.array(values, np.float64).astype(_numpy(dtype))
    except OverflowError as error:
        raise invalid_argument(
            "JSON Parse error: Number too big to be stored in double."
        ) from error


def _to_bytes(value: str | dict) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise invalid_argument(
                "JSON Parse error: The surrogate pair in string is invalid."
            ) from error
    if not is_base64(value):
        raise invalid_argument(f"JSON Value: {echo(value)} not formatted correctly for base64 data")
    text = "".join(value["b64"].split())
    if "=" not in text:
        text += "=" * (-len(text) % 4)  # padding may be left out, but not be wrong
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid_argument("Unable to base64 decode") from error


def _type_error(value: Any, dtype: int) -> ServingError:
    kind = str(value) if isinstance(value, bool) else _JSON_TYPES[type(value)]
    return invalid_argument(
        f"JSON Value: {echo(value)} Type: {kind} is not of expected type: {dtype_name(dtype)}"
    )


def _numpy(dtype: int) -> Any:
    return tf.as_dtype(dtype).as_numpy_dtype
