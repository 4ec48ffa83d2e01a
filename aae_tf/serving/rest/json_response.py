"""The JSON body of a REST predict answer, by TensorFlow Serving's rules."""

from __future__ import annotations

import base64
import itertools
import json
import math
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.classification_pb2 import ClassificationResult
from tensorflow_serving.apis.regression_pb2 import RegressionResult

from aae_tf.serving.errors import invalid_argument
from aae_tf.serving.rest.json_values import dtype_name

_INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint32, np.uint64)
# Numbers, and rows, that are written at once: no other thread runs meanwhile.
_AT_ONCE = 2**13
_ROWS = 2**10
# Numbers up to which it takes longer to tell which are short than to write all of them twice.
_FEW = 2**6
_NON_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def write_outputs(outputs: Mapping[str, np.ndarray], row_form: bool) -> bytes:
    """Writes the outputs of a signature; a single one goes without its name.

    Floats get 6 significant digits where those read back as the same number, otherwise 9
    (float) or 17 (double). NaN and infinities are bare tokens, which strict parsers refuse.
    Strings are raw, but base64 objects where the output's name ends in `_bytes`.

    Args:
        outputs: Arrays by name.
        row_form: True for `{"predictions": [...]}` with an entry per row, False for
            `{"outputs": ...}` with whole arrays.

    Returns:
        The document, as UTF-8.

    Raises:
        ServingError: INVALID_ARGUMENT for no outputs, a dtype that JSON cannot carry, such as
            half, or in row form for outputs without a common number of rows.

    Example:

        >>> write_outputs({"y": np.float32([3.0, 1 / 3])}, row_form=True)
        b'{"predictions": [3.0, 0.333333343]}'
    """
    if not outputs:
        raise invalid_argument("Cannot convert empty tensor map to JSON")
    text = _write_rows(outputs) if row_form else _write_columns(outputs)
    return text.encode("utf-8", "surrogateescape")


def write_classifications(result: ClassificationResult) -> bytes:
    """Writes the classes of each example: lists of pairs of label and score.

    Example:

        >>> result = ClassificationResult()
        >>> _ = result.classifications.add().classes.add(label="a", score=0.5)
        >>> write_classifications(result)
        b'{"results": [[["a", 0.5]]]}'
    """
    rows = []
    for entry in result.classifications:
        scores = _float_tokens(np.asarray([each.score for each in entry.classes], np.float32))
        labels = [json.dumps(each.label, ensure_ascii=False) for each in entry.classes]
        rows.append(
            _nest([f"[{a}, {b}]" for a, b in zip(labels, scores, strict=True)], (len(labels),))[0]
        )
    return f'{{"results": [{", ".join(rows)}]}}'.encode()


def write_regressions(result: RegressionResult) -> bytes:
    """Writes the number of each example."""
    tokens = _float_tokens(np.asarray([each.value for each in result.regressions], np.float32))
    return f'{{"results": [{", ".join(tokens)}]}}'.encode()


def _write_columns(outputs: Mapping[str, np.ndarray]) -> str:
    values = {name: _nest(_tokens(name, array), array.shape)[0] for name, array in outputs.items()}
    if len(values) == 1:
        (value,) = values.values()
        return f'{{"outputs": {value}}}'
    return f'{{"outputs": {_object(values)}}}'


def _write_rows(outputs: Mapping[str, np.ndarray]) -> str:
    rows = None
    for name, array in outputs.items():
        if array.ndim == 0:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if rows is not None and len(array) != rows:
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {rows}"
            )
        rows = len(array)
    pieces = []
    for start in range(0, max(rows or 0, 1), _ROWS):
        part = {name: array[start : start + _ROWS] for name, array in outputs.items()}
        columns = [_nest(_tokens(n, a), a.shape, keep=1) for n, a in part.items()]
        if len(columns) == 1:
            items = columns[0]
        else:
            items = [
                _object(dict(zip(outputs, row, strict=True))) for row in zip(*columns, strict=True)
            ]
        pieces.append(", ".join(items))
    return f'{{"predictions": [{", ".join(pieces)}]}}'


def _nest(tokens: list[str], shape: tuple[int, ...], keep: int = 0) -> list[str]:
    """Joins the tokens of an array into lists, down to `keep` dimensions; each is a string."""
    if len(shape) <= keep:
        return tokens
    size = math.prod(shape[keep:])
    template = "%s"
    for length in reversed(shape[keep:]):
        template = f"[{', '.join([template] * length)}]"
    count = math.prod(shape[:keep])
    return [template % tuple(tokens[i * size : (i + 1) * size]) for i in range(count)]


def _object(values: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{json.dumps(name)}: {value}" for name, value in values.items()) + "}"


def _tokens(name: str, array: np.ndarray) -> list[str]:
    """Writes every value of `array`, in order."""
    flat = array.ravel()
    if flat.dtype in (np.float32, np.float64):
        return _float_tokens(flat)
    if flat.dtype in _INTEGERS:
        return list(map(str, flat.tolist()))
    if flat.dtype == np.bool_:
        return ["true" if value else "false" for value in flat.tolist()]
    if flat.dtype == object and name.endswith("_bytes"):
        return [f'{{"b64": "{base64.b64encode(value).decode()}"}}' for value in flat.tolist()]
    if flat.dtype == object:
        # Bytes that are not UTF-8 pass through, as the server lets them.
        return [
            json.dumps(value.decode("utf-8", "surrogateescape"), ensure_ascii=False)
            for value in flat.tolist()
        ]
    kind = dtype_name(tf.as_dtype(flat.dtype).as_datatype_enum)
    raise invalid_argument(f"Failed to write JSON value for tensor type: {kind}")


def _float_tokens(flat: np.ndarray) -> list[str]:
    tokens: list[str] = []
    for start in range(0, flat.size, _AT_ONCE):
        tokens += _some_float_tokens(flat[start : start + _AT_ONCE])
    return tokens


def _some_float_tokens(flat: np.ndarray) -> list[str]:
    values = flat.tolist()
    tokens = _format("%.9g " if flat.dtype == np.float32 else "%.17g ", values)
    few = flat.size <= _FEW
    indices = np.arange(flat.size) if few else np.flatnonzero(_may_have_6_digits(flat))
    short = _format("%.6g ", flat[indices].tolist())
    with np.errstate(over="ignore"):
        exact = np.array(list(map(float, short))).astype(flat.dtype) == flat[indices]
    for index, token in zip(indices[exact].tolist(), itertools.compress(short, exact), strict=True):
        tokens[index] = token
    return [
        token if "." in token or "e" in token else _NON_FINITE.get(token, f"{token}.0")
        for token in tokens
    ]


def _format(pattern: str, values: list[float]) -> list[str]:
    return (pattern * len(values) % tuple(values)).split()


def _may_have_6_digits(flat: np.ndarray) -> np.ndarray:
    """Tells which values may be decimals of 6 digits; writing the rest once saves half the time."""
    limits = np.finfo(flat.dtype)
    magnitude = np.abs(flat.astype(np.float64))
    with np.errstate(all="ignore"):
        scale = 10.0 ** (5 - np.floor(np.log10(magnitude)))
        scaled = magnitude * scale
        # A decimal that reads back lies within half a bit; the rest allows for errors of scaling.
        tolerance = 0.5 * np.abs(np.spacing(flat)) * scale + 4 * np.finfo(float).eps * scaled
        far = np.abs(scaled - np.rint(scaled)) > tolerance
    return ~far | (magnitude < limits.tiny)
