"""REST for the client: a transport for threads, and calls as paths and JSON."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
from collections.abc import Mapping
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import quote

import grpc
import numpy as np
from google.protobuf.json_format import ParseDict

from aae_tf.serving.client.calls import Arrays, Call, MetadataCall, PredictCall, Target
from aae_tf.serving.client.limits import Cancellation, Deadline
from aae_tf.serving.client.protocol import (
    SignatureDefMap,
    describe_signatures,
    dtype_name,
    numpy_dtype,
)
from aae_tf.serving.errors import HTTP_STATUS, ServingError

_PIECE = 2**18
# Several codes share a status; the first is read back: INVALID_ARGUMENT for 400, UNKNOWN for 500.
_CODES = {status: code for code, status in reversed(HTTP_STATUS.items())}
# gRPC's code for a request that is too large.
_CODES[413] = grpc.StatusCode.RESOURCE_EXHAUSTED


class RestTransport:
    """Sends requests over kept-alive HTTP connections, one per thread that is busy.

    REST answers carry neither dtypes nor the name of a single output, so each model's metadata
    is fetched once and kept: after a model's signatures change, make a new client.

    Args:
        host: The server's address.
        port: The server's REST port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._idle: SimpleQueue[http.client.HTTPConnection] = SimpleQueue()
        self._signatures: dict[str, dict[str, Any]] = {}
        self._closed = False

    def send(self, call: Call, deadline: Deadline, cancellation: Cancellation | None = None) -> Any:
        """Sends one request; see `Transport`."""
        cancellation = cancellation or Cancellation()
        path = model_path(call.target)
        if isinstance(call, PredictCall):
            return self._predict(path, call, deadline, cancellation)
        if isinstance(call, MetadataCall):
            return describe_signatures(self._fetch_signatures(path, deadline, cancellation))
        answer = self._request_json("GET", path, None, deadline, cancellation)
        return read_states(answer)

    def close(self) -> None:
        """Closes the connections, those in use once they are no more."""
        self._closed = True
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    def _predict(
        self, path: str, call: PredictCall, deadline: Deadline, cancellation: Cancellation
    ) -> Arrays:
        name = call.signature_name or "serving_default"
        # Signatures are fetched first: afterwards the server may be gone. It is the server that
        # refuses a signature that is unknown.
        if name not in self._signatures.get(path, ()):
            self._signatures[path] = self._fetch_signatures(path, deadline, cancellation)
        body = write_predict(call)
        answer = self._request_json("POST", f"{path}:predict", body, deadline, cancellation)
        return read_outputs(answer, self._signatures[path][name].outputs)

    def _fetch_signatures(
        self, path: str, deadline: Deadline, cancellation: Cancellation
    ) -> dict[str, Any]:
        answer = self._request_json("GET", f"{path}/metadata", None, deadline, cancellation)
        return read_signatures(answer)

    def _request_json(
        self,
        method: str,
        path: str,
        body: bytes | None,
        deadline: Deadline,
        cancellation: Cancellation,
    ) -> dict[str, Any]:
        try:
            status, content = self._send_and_retry_once(method, path, body, deadline, cancellation)
        except TimeoutError as error:
            raise deadline.exceeded() from error
        except (OSError, http.client.HTTPException) as error:
            raise self._to_serving_error(error) from error
        return read_answer(status, content)

    def _send_and_retry_once(
        self,
        method: str,
        path: str,
        body: bytes | None,
        deadline: Deadline,
        cancellation: Cancellation,
    ) -> tuple[int, bytes]:
        try:
            connection, fresh = self._idle.get_nowait(), False
        except Empty:
            connection, fresh = http.client.HTTPConnection(self._host, self._port), True
        try:
            with cancellation.aborting(lambda: _shut(connection)):
                try:
                    answer = _send_and_read(connection, method, path, body, deadline, cancellation)
                except ConnectionError:
                    # The server may have closed an idle connection; requests change nothing
                    # there.
                    if fresh or cancellation.cancelled:
                        raise
                    connection.close()
                    answer = _send_and_read(connection, method, path, body, deadline, cancellation)
        except BaseException:
            connection.close()
            raise
        self._idle.put(connection)
        if self._closed:
            self.close()  # another thread has closed the transport meanwhile
        return answer

    def _to_serving_error(self, error: Exception) -> ServingError:
        # The text of an answer that is not HTTP may be long, and of many lines.
        message = f"{self._host}:{self._port}: {' '.join(str(error).split())[:256]}"
        # Nobody listens, or the connection was lost. The request may have been executed then,
        # but it changes nothing there, and may be sent again.
        if isinstance(error, OSError | http.client.IncompleteRead):
            return ServingError(grpc.StatusCode.UNAVAILABLE, message)
        return ServingError(grpc.StatusCode.UNKNOWN, f"{message} ({type(error).__name__})")


def _send_and_read(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None,
    deadline: Deadline,
    cancellation: Cancellation,
) -> tuple[int, bytes]:
    connection.timeout = deadline.remaining()
    if connection.sock is None:
        connection.connect()
        # A cancellation before this line found no socket to shut.
        cancellation.check()
    # http.client drops its socket early where the server closes the connection after the answer.
    sock = connection.sock
    sock.settimeout(deadline.remaining())
    connection.request(method, path, body)
    sock.settimeout(deadline.remaining())
    response = connection.getresponse()
    pieces = []
    # Each read sets the timeout to the time that is left, since it starts anew with each read.
    while not response.isclosed() and response.length != 0:
        sock.settimeout(deadline.remaining())
        piece = response.read1(_PIECE)
        if not piece:
            break
        pieces.append(piece)
    if response.length:
        raise http.client.IncompleteRead(b"".join(pieces), response.length)
    response.close()
    return response.status, b"".join(pieces)


def _shut(connection: http.client.HTTPConnection) -> None:
    if connection.sock is not None:
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)


def model_path(target: Target) -> str:
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
    except (AttributeError, ValueError):  # the answer is not of this protocol
        answer = None
        message = content[:256].decode("utf-8", "replace")
    if status != 200 or answer is None:
        code = _CODES.get(status, grpc.StatusCode.UNKNOWN)
        raise ServingError(code, message or f"HTTP status {status}")
    return answer


def read_signatures(answer: dict[str, Any]) -> dict[str, Any]:
    """Reads the answer to a request for metadata."""
    message = ParseDict(
        answer["metadata"]["signature_def"], SignatureDefMap(), ignore_unknown_fields=True
    )
    return dict(message.signature_def)


def read_states(answer: dict[str, Any]) -> dict[int, str]:
    """Reads the answer to a request for the status."""
    return {int(status["version"]): status["state"] for status in answer["model_version_status"]}


def read_outputs(answer: dict[str, Any], infos: Mapping[str, Any]) -> Arrays:
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


def _from_json(value: Any, info: Any) -> np.ndarray:
    name = dtype_name(info.dtype)
    array = np.array(_decode_strings(value) if name == "string" else value, numpy_dtype(name))
    if array.shape == (0,) and not info.tensor_shape.unknown_rank:
        # An empty list in JSON does not show the sizes of the other dimensions.
        array = array.reshape([0, *(max(dim.size, 0) for dim in info.tensor_shape.dim[1:])])
    return array


def _decode_strings(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode_strings(item) for item in value]
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return value.encode("utf-8", "surrogateescape")
