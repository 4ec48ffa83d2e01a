"""The client's side of REST, for threads."""

from __future__ import annotations

import contextlib
import http.client
import socket
from queue import Empty, SimpleQueue
from typing import Any

import grpc
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from aae_tf.serving.client import rest_messages
from aae_tf.serving.client.calls import Arrays, Call, MetadataCall, PredictCall
from aae_tf.serving.client.cancellation import Cancellation
from aae_tf.serving.client.deadline import Deadline
from aae_tf.serving.client.signatures import to_python
from aae_tf.serving.errors import ServingError

_PIECE = 2**18


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
        self._signatures: dict[str, dict[str, SignatureDef]] = {}
        self._closed = False

    def send(self, call: Call, deadline: Deadline, cancellation: Cancellation | None = None) -> Any:
        """Sends one request; see `Transport`."""
        cancellation = cancellation or Cancellation()
        path = rest_messages.path(call.target)
        if isinstance(call, PredictCall):
            return self._predict(path, call, deadline, cancellation)
        if isinstance(call, MetadataCall):
            return to_python(self._fetch_signatures(path, deadline, cancellation))
        answer = self._exchange("GET", path, None, deadline, cancellation)
        return rest_messages.read_states(answer)

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
        # First, so that a server that stops after the answer costs nothing. A signature that
        # is unknown is the server's to refuse.
        if name not in self._signatures.get(path, ()):
            self._signatures[path] = self._fetch_signatures(path, deadline, cancellation)
        body = rest_messages.write_predict(call)
        answer = self._exchange("POST", f"{path}:predict", body, deadline, cancellation)
        return rest_messages.read_outputs(answer, self._signatures[path][name].outputs)

    def _fetch_signatures(
        self, path: str, deadline: Deadline, cancellation: Cancellation
    ) -> dict[str, SignatureDef]:
        answer = self._exchange("GET", f"{path}/metadata", None, deadline, cancellation)
        return rest_messages.read_signatures(answer)

    def _exchange(
        self,
        method: str,
        path: str,
        body: bytes | None,
        deadline: Deadline,
        cancellation: Cancellation,
    ) -> dict[str, Any]:
        try:
            status, content = self._converse(method, path, body, deadline, cancellation)
        except TimeoutError as error:
            raise deadline.exceeded() from error
        except (OSError, http.client.HTTPException) as error:
            raise self._failure(error) from error
        return rest_messages.read_answer(status, content)

    def _converse(
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
            self.close()  # by another thread meanwhile
        return answer

    def _failure(self, error: Exception) -> ServingError:
        # What is no HTTP may be long, and of many lines.
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
        # There was no socket to shut until now.
        cancellation.check()
    # A server that closes the connection afterwards has http.client drop its socket early.
    sock = connection.sock
    sock.settimeout(deadline.remaining())
    connection.request(method, path, body)
    sock.settimeout(deadline.remaining())
    response = connection.getresponse()
    pieces = []
    # One read of the socket at a time, as its timeout starts anew with each.
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
