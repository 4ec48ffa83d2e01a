"""The inputs of a REST request, from its parsed body, by TensorFlow Serving's rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from tensorflow.core.example.example_pb2 import Example
from tensorflow.core.framework.types_pb2 import DT_STRING
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo
from tensorflow_serving.apis.input_pb2 import Input

from aae_tf.serving.errors import ServingError, invalid_argument
from aae_tf.serving.rest.json_values import echo, is_base64, to_array

# Rows that are looked through at once for one that is not as the others.
_ROWS = 256


def read_signature_name(document: Mapping[str, Any]) -> str:
    """Returns the document's `signature_name`, or `""` where it has none.

    Raises:
        ServingError: INVALID_ARGUMENT if it is not a string.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid_argument(
            f"JSON Value: {echo(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    return name


def read_inputs(
    document: Mapping[str, Any], signature_name: str, signature: SignatureDef
) -> tuple[dict[str, np.ndarray], bool]:
    """Reads the inputs, in row form (`instances`) or columnar form (`inputs`).

    Args:
        document: The parsed request.
        signature_name: As the request has it, for an error.
        signature: The signature that is to run.

    Returns:
        The arrays by name, and whether the request, and so its answer, is in row form.

    Raises:
        ServingError: INVALID_ARGUMENT, or UNIMPLEMENTED for a dtype that JSON cannot carry.
    """
    if not signature.inputs:
        raise invalid_argument(
            f"Failed to get input map for signature: {signature_name or 'DEFAULT'}"
        )
    if "instances" in document and "inputs" in document:
        raise invalid_argument(
            f"JSON Value: {echo(document)} Not formatted correctly expecting only one of "
            "'inputs' or 'instances' keys to exist "
        )
    if "inputs" in document:
        return _read_columns(document["inputs"], signature.inputs), False
    if "instances" not in document:
        raise invalid_argument("Missing 'inputs' or 'instances' key")
    rows = document["instances"]
    if not isinstance(rows, list):
        raise invalid_argument(
            f"JSON Value: {echo(document)} Expecting 'instances' to be an list/array"
        )
    if not rows:
        raise invalid_argument(f"JSON Value: {echo(document)} No values in 'instances' array")
    return _read_rows(rows, signature.inputs), True


def _read_columns(columns: Any, infos: Mapping[str, TensorInfo]) -> dict[str, np.ndarray]:
    if not isinstance(columns, dict) or is_base64(columns):
        if len(infos) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input "
                "tensors required as per tensorinfo_map"
            )
        (name,) = infos
        columns = {name: columns}
    for name in infos:
        if name not in columns:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
    return {name: to_array(columns[name], info.dtype) for name, info in infos.items()}


def _read_rows(rows: list[Any], infos: Mapping[str, TensorInfo]) -> dict[str, np.ndarray]:
    if not _is_object(rows[0]) and len(infos) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input "
            "tensors required as per tensorinfo_map"
        )
    named = _is_object(rows[0])
    for index, row in enumerate(rows):
        if named and not _is_object(row):
            raise invalid_argument(f"Expecting object but got list at item {index} of input list")
        if _is_object(row) and not named:
            raise invalid_argument(
                f"Expecting value/list but got object at item {index} of input list"
            )
        if named and row.keys() != infos.keys():
            raise _keys_error(index, row, infos)
    if not named:
        (name,) = infos
        return {name: _stack(rows, infos[name].dtype)}
    return {
        name: _stack([row[name] for row in rows], info.dtype, f" key: {name}")
        for name, info in infos.items()
    }


def _stack(values: list[Any], dtype: int, key: str = "") -> np.ndarray:
    """Converts one value per row to one array; an error names the first row that differs."""
    try:
        return to_array(values, dtype)
    except ServingError:
        _raise_for_first_odd_row(values, dtype, key)
        raise


def _raise_for_first_odd_row(values: list[Any], dtype: int, key: str) -> None:
    first: np.ndarray | None = None
    for start in range(0, len(values), _ROWS):
        rows = values[start : start + _ROWS]
        try:
            array = to_array(rows, dtype)
            if first is None or array.shape[1:] == first.shape:
                first = array[0]
                continue
        except ServingError:
            pass
        for index, value in enumerate(rows, start):
            try:
                first = _convert_row(value, dtype, first)
            except ServingError as error:
                raise invalid_argument(
                    f"Failed to process element: {index}{key} of 'instances' list. Error: {error}"
                ) from error


def _convert_row(value: Any, dtype: int, first: np.ndarray | None) -> np.ndarray:
    array = to_array(value, dtype)
    if first is not None and array.size != first.size:
        raise invalid_argument(f"Expecting tensor size: {first.size} but got: {array.size}")
    if first is not None and array.shape != first.shape:
        raise invalid_argument(f"Expecting shape {list(first.shape)} but got: {list(array.shape)}")
    return array


def _keys_error(index: int, row: dict[str, Any], infos: Mapping[str, TensorInfo]) -> ServingError:
    for name in row:
        if name not in infos:
            return invalid_argument(
                f"Failed to process element: {index} key: {name} of 'instances' list. Error: "
                f"INVALID_ARGUMENT: JSON object: does not have named input: {name}"
            )
    return invalid_argument(
        f"Failed to process element: {index} of 'instances' list. JSON object: {echo(row)} "
        f"keys must be equal to: {','.join(sorted(infos))}"
    )


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def read_examples(document: Mapping[str, Any]) -> Input:
    """Reads the `examples` of a REST request, and the `context` that all of them share.

    Raises:
        ServingError: INVALID_ARGUMENT if they are not objects of values or lists of one type.
    """
    examples = document.get("examples")
    if not isinstance(examples, list) or not examples:
        raise invalid_argument(
            "When method is classify or regress, key 'examples' is expected to be a list that is "
            "not empty."
        )
    result = Input()
    if "context" in document:
        result.example_list_with_context.context.CopyFrom(_example(document["context"]))
        into = result.example_list_with_context.examples
    else:
        into = result.example_list.examples
    into.extend(map(_example, examples))
    return result


def _example(features: Any) -> Example:
    if not isinstance(features, dict):
        raise invalid_argument("Expected an example to be an object.")
    example = Example()
    for name, content in features.items():
        feature = example.features.feature[name]
        for value in content if isinstance(content, list) else [content]:
            _add_value(name, feature, value)
    return example


def _add_value(name: str, feature: Any, value: Any) -> None:
    kind: str
    if isinstance(value, bool):
        kind, value = "int64_list", int(value)
    elif isinstance(value, int):
        kind = "int64_list"
    elif isinstance(value, float):
        kind = "float_list"
    elif isinstance(value, str) or is_base64(value):
        kind, value = "bytes_list", to_array(value, DT_STRING).item()
    else:
        raise invalid_argument(f"Feature: {name} has element with unexpected JSON type.")
    if feature.WhichOneof("kind") not in (None, kind):
        raise invalid_argument(f"Unexpected element type in feature: {name}")
    try:
        getattr(feature, kind).value.append(value)
    except ValueError as error:
        raise invalid_argument(f"Feature: {name}: {error}") from error
