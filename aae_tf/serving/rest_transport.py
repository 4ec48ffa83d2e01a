"""The client's side of REST."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Mapping
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import quote

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf.json_format import ParseDict
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap

from aae_tf.serving.errors import HTTP_STATUS, ServingError

# Where several codes share a status, the first: INVALID_ARGUMENT for 400, UNKNOWN for 500.
_CODES = {status: code for code, status in reversed(HTTP_STATUS.items())}
# What gRPC answers to a request that is too large.
_CODES[413] = grpc.StatusCode.RESOURCE_EXHAUSTED


class RestTransport:
    """Sends requests over kept-alive HTTP connections, one per thread that is busy.

    REST answers carry neither dtypes nor the name of a single output, so each model's metadata
    is fetched once and kept: after a model's signatures change, make a new client.

    Args:
        host: The server's address.
        port: The server's REST port.
        timeout: Seconds that the server may be silent.
    """

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self._host = host
        self._port = port
        self._timeout = timeout
        self._idle: SimpleQueue[http.client.HTTPConnection] = SimpleQueue()
        self._signatures: dict[str, dict[str, SignatureDef]] = {}

    def predict(
        self,
        model: str,
        inputs: Mapping[str, np.ndarray],
        signature_name: str,
        version: int | None,
    ) -> dict[str, np.ndarray]:
        """Runs a signature, in columnar form; see `Client.predict`."""
        path = f"/v1/models/{quote(model, safe='')}"
        if version is not None:
            path += f"/versions/{version}"
        document = {
            "signature_name": signature_name,
            "inputs": {name: _to_json(array) for name, array in inputs.items()},
        }
        name = signature_name or "serving_default"
        # First, so that a server that stops after the answer costs nothing. A signature that
        # is unknown is the server's to refuse.
        if name not in self._signatures.get(path, ()):
            self._signatures[path] = self._fetch_signatures(path)
        outputs = self._call("POST", f"{path}:predict", json.dumps(document).encode())["outputs"]
        infos = self._signatures[path][name].outputs
        if len(infos) == 1:
            outputs = dict.fromkeys(infos, outputs)
        return {name: _from_json(outputs[name], info) for name, info in infos.items()}

    def status(self, model: str) -> dict[int, str]:
        """Returns the state of each version of a model; see `Client.status`."""
        answer = self._call("GET", f"/v1/models/{quote(model, safe='')}")
        return {
            int(status["version"]): status["state"] for status in answer["model_version_status"]
        }

    def close(self) -> None:
        """Closes the connections."""
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    def _fetch_signatures(self, path: str) -> dict[str, SignatureDef]:
        answer = self._call("GET", f"{path}/metadata")
        message = ParseDict(answer["metadata"]["signature_def"], SignatureDefMap())
        return dict(message.signature_def)

    def _call(self, method: str, path: str, body: bytes | None = None) -> Any:
        try:
            status, content = self._exchange(method, path, body)
        except TimeoutError as error:
            raise ServingError(
                grpc.StatusCode.DEADLINE_EXCEEDED, f"No answer within {self._timeout} s"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise ServingError(
                grpc.StatusCode.UNAVAILABLE, f"{self._host}:{self._port}: {error}"
            ) from error
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

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = self._connect()
            fresh = True
        else:
            fresh = False
        try:
            try:
                connection.request(method, path, body)
                response = connection.getresponse()
            except ConnectionError:
                # The server may have closed an idle connection; requests change nothing there.
                if fresh:
                    raise
                connection.close()
                connection.request(method, path, body)
                response = connection.getresponse()
            content = response.read()
        except BaseException:
            connection.close()
            raise
        self._idle.put(connection)
        return response.status, content

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)


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
