"""Calls as paths and JSON of TensorFlow Serving's REST interface."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf.json_format import ParseDict
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap

from aae_tf.serving.client.calls import Arrays, PredictCall, Target
from aae_tf.serving.errors import HTTP_STATUS, ServingError

# Where several codes share a status, the first: INVALID_ARGUMENT for 400, UNKNOWN for 500.
_CODES = {status: code for code, status in reversed(HTTP_STATUS.items())}
# What gRPC answers to a request that is too large.
_CODES[413] = grpc.StatusCode.RESOURCE_EXHAUSTED


def path(target: Target) -> str:
    """Returns the path of a model, its status."""
    path = f"/v1/models/{quote(target.model, safe='')}"
    if target.version is not None:
        return f"{path}/versions/{target.version}"
    if target.label is not None:
        return f"{path}/labels/{quote(target.label, safe='')}"
    return path


def write_predict(call: PredictCall) -> bytes:
    """Writes the body that runs a signature, in columnar form."""
    document = {
        "signature_name": call.signature_name,
        "inputs": {name: _to_json(array) for name, array in call.inputs.items()},
    }
    return json.dumps(document).encode()


def read_answer(status: int, content: bytes) -> dict[str, Any]:
    """Reads any response.

    Args:
        status: The HTTP status.
        content: The body.

    Returns:
        The JSON object.

    Raises:
        ServingError: With the code of the status if it is not 200, UNKNOWN if there is none or
            the body is not of this protocol.
    """
    try:
        answer = json.loads(content.decode("utf-8", "surrogateescape"))
        message = answer.get("error", "")
    except (AttributeError, ValueError):  # not an answer of this protocol
        answer = None
        message = content[:256].decode("utf-8", "replace")
    if status != 200 or answer is None:
        code = _CODES.get(status, grpc.StatusCode.UNKNOWN)
        raise ServingError(code, message or f"HTTP status {status}")
    return answer


def read_signatures(answer: dict[str, Any]) -> dict[str, SignatureDef]:
    """Reads the answer to a request for metadata."""
    message = ParseDict(answer["metadata"]["signature_def"], SignatureDefMap())
    return dict(message.signature_def)


def read_states(answer: dict[str, Any]) -> dict[int, str]:
    """Reads the answer to a request for the status."""
    return {int(status["version"]): status["state"] for status in answer["model_version_status"]}


def read_outputs(answer: dict[str, Any], infos: Mapping[str, TensorInfo]) -> Arrays:
    """Reads the answer to a predict request.

    Args:
        answer: The JSON object.
        infos: What the signature says of each output: JSON carries neither dtypes nor the name
            of a single output.

    Returns:
        Arrays by output name.
    """
    outputs = answer["outputs"]
    if len(infos) == 1:
        outputs = dict.fromkeys(infos, outputs)
    return {name: _from_json(outputs[name], info) for name, info in infos.items()}


def _to_json(array: np.ndarray) -> Any:
    if array.dtype.kind in "OSU":
        return _encode_strings(array.tolist())
    return array.tolist()


def _encode_strings(value: Any) -> Any:
    if isinstance(value, list):
        return [_encode_strings(item) for item in value]
    data = value.encode() if isinstance(value, str) else value
    return {"b64": base64.b64encode(data).decode()}


def _from_json(value: Any, info: TensorInfo) -> np.ndarray:
    dtype = tf.as_dtype(info.dtype)
    if dtype == tf.string:
        array = np.array(_decode_strings(value), dtype=object)
    else:
        array = np.array(value, dtype=dtype.as_numpy_dtype)
    if array.shape == (0,) and not info.tensor_shape.unknown_rank:
        # An empty list does not tell the sizes within.
        array = array.reshape([0, *(max(dim.size, 0) for dim in info.tensor_shape.dim[1:])])
    return array


def _decode_strings(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode_strings(item) for item in value]
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return value.encode("utf-8", "surrogateescape")
