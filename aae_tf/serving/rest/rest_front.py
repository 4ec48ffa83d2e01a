"""The REST server: addresses, bodies, and answers over HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import re
import socket
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import unquote

import grpc
import uvicorn
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap
from tensorflow_serving.apis.model_pb2 import ModelSpec

from aae_tf.export.saved_model import DEFAULT_SIGNATURE
from aae_tf.serving.errors import HTTP_STATUS, ServingError, invalid_argument
from aae_tf.serving.models.model_manager import ModelManager
from aae_tf.serving.models.model_queries import model_metadata, model_status, use_servable
from aae_tf.serving.models.predict import run_signature
from aae_tf.serving.rest.json_request import parse_document, read_inputs, read_signature_name
from aae_tf.serving.rest.json_response import write_outputs
from aae_tf.serving.server_metrics import CONTENT_TYPE, ServerMetrics

_LOGGER = logging.getLogger("aae_tf.serving")
_NOT_FOUND_PAGE = "<html><head><title>404 Not Found</title></head><body>Not Found</body></html>"

_VERSION = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_NAME = r"/(?P<name>[^/:]+)"
_PATTERNS = {
    "POST": re.compile(
        rf"/v1/models{_NAME}{_VERSION}:(?P<verb>predict|classify|regress)", re.IGNORECASE
    ),
    "GET": re.compile(rf"/v1/models(?:{_NAME})?{_VERSION}(?:/(?P<verb>metadata))?", re.IGNORECASE),
}


class RestFront:
    """Answers TensorFlow Serving's REST API, version 1.

    Differs from the real server: a body above `max_body_bytes` gets 413, and `:classify` and
    `:regress` get 501.

    Args:
        manager: The models.
        metrics: Where requests are counted.
        max_body_bytes: Largest body to accept, before and after decompression.
        num_threads: Requests that may run at the same time; the others wait.
        timeout: Seconds that a run may take, after which 504 is the answer.
        metrics_path: Where the metrics are shown; None: nowhere.
    """

    def __init__(
        self,
        manager: ModelManager,
        metrics: ServerMetrics,
        max_body_bytes: int,
        num_threads: int,
        timeout: float,
        metrics_path: str | None = None,
    ) -> None:
        self._manager = manager
        self._metrics = metrics
        self._metrics_path = metrics_path
        self._max_body_bytes = max_body_bytes
        self._timeout = timeout
        self._executor = ThreadPoolExecutor(num_threads, thread_name_prefix="rest-front")

    def start(self, listener: socket.socket) -> None:
        """Answers on `listener`, a bound socket, from a thread of its own.

        Raises:
            OSError: the socket cannot listen.
            RuntimeError: the HTTP server ended while it started; its log has the reason.
        """
        listener.listen()
        self._server = uvicorn.Server(
            uvicorn.Config(
                self,
                interface="asgi3",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=75,
            )
        )
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="rest-front", daemon=True
        )
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("Expected the REST server to start, but it ended.")
            time.sleep(0.005)

    def stop(self, grace: float) -> None:
        """Refuses new connections, and returns when the running requests are answered.

        Args:
            grace: Seconds after which running requests are cut off.
        """
        self._server.config.timeout_graceful_shutdown = math.ceil(grace)
        self._server.should_exit = True
        self._thread.join()
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, as an ASGI application."""
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        path = request.scope["raw_path"].decode("ascii", "replace")
        if path == self._metrics_path:
            return self._show_metrics(request)
        if request.scope["query_string"]:
            # The real server knows no queries: they belong to the name.
            path += "?" + request.scope["query_string"].decode("ascii", "replace")
        if not path.lower().startswith("/v1/"):
            return HTMLResponse(_NOT_FOUND_PAGE, 404)
        if request.method == "OPTIONS":
            origin = request.headers.get("origin", "")
            return Response(status_code=200 if origin.startswith(("http://", "https://")) else 400)
        try:
            call = parse_rest_call(request.method, path)
            body = await self._read_body(request)
            if body is None:
                message = f"Expected a body of at most {self._max_body_bytes} bytes."
                return _error_response(413, message)
            loop = asyncio.get_running_loop()
            content = await loop.run_in_executor(self._executor, self._run_call, call, body)
            return Response(content, media_type="application/json")
        except ServingError as error:
            return _error_response(HTTP_STATUS[error.code], error.message)
        except ClientDisconnect:
            raise
        except Exception:
            _LOGGER.exception("%s %s failed", request.method, path)
            return _error_response(500, "Internal error; the server's log has it")

    def _show_metrics(self, request: Request) -> Response:
        if request.method != "GET" or request.scope["query_string"]:
            return Response("Unexpected path", 400, media_type=CONTENT_TYPE)
        return Response(self._metrics.render(), media_type=CONTENT_TYPE)

    async def _read_body(self, request: Request) -> bytes | None:
        """Returns the body, decompressed; None if it is too long."""
        body = bytearray()
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size <= self._max_body_bytes:
                body += chunk
        # All was read, though not stored: a client that is still sending would miss the answer.
        if size > self._max_body_bytes:
            return None
        if "gzip" not in request.headers.get("content-encoding", ""):
            return bytes(body)
        inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            inflated = inflater.decompress(body, self._max_body_bytes + 1)
        except zlib.error:
            return b""  # as the real server has it: "The document is empty"
        if len(inflated) > self._max_body_bytes:
            return None
        return inflated if inflater.eof else b""

    def _run_call(self, call: RestCall, body: bytes) -> bytes:
        if call.verb == "predict":
            with self._metrics.request(call.spec.name, "predict", "REST"):
                return self._predict(call, body)
        if call.verb == "status":
            return _dump(_to_dict(model_status(self._manager, call.spec)))
        if call.verb == "metadata":
            return self._metadata(call)
        raise ServingError(
            grpc.StatusCode.UNIMPLEMENTED, f":{call.verb} is not implemented by this server."
        )

    def _predict(self, call: RestCall, body: bytes) -> bytes:
        # The order of the checks is the real server's: it decides which error wins.
        document = parse_document(body)
        requested = read_signature_name(document)
        with use_servable(self._manager, call.spec) as servable:
            name = requested or DEFAULT_SIGNATURE
            signature = servable.signature_defs.get(name)
            if signature is None:
                raise invalid_argument(
                    f'Serving signature name: "{name}" not found in signature def'
                )
            inputs, row_form = read_inputs(document, requested, signature)
            timer = self._metrics.runtime(servable.name, "predict")
            outputs = run_signature(servable, name, inputs, timeout=self._timeout, timer=timer)
        return write_outputs(outputs, row_form)

    def _metadata(self, call: RestCall) -> bytes:
        response = model_metadata(self._manager, call.spec)
        signatures = SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)
        return _dump(
            {
                "model_spec": _to_dict(response.model_spec),
                "metadata": {"signature_def": _to_dict(signatures)},
            }
        )


@dataclass(frozen=True)
class RestCall:
    """The parts of a request's address.

    Args:
        verb: "predict", "classify", "regress", "metadata" or "status".
        spec: The model, with the version or label where the address has one.
    """

    verb: str
    spec: ModelSpec


def parse_rest_call(method: str, path: str) -> RestCall:
    """Parses the address of a request.

    Args:
        method: The HTTP method.
        path: The path as sent, still percent-encoded, with the query if there is one.

    Raises:
        ServingError: INVALID_ARGUMENT if the real server has no such address.

    Example:

        >>> call = parse_rest_call("POST", "/v1/models/encoder/versions/3:predict")
        >>> call.verb, call.spec.name, call.spec.version.value
        ('predict', 'encoder', 3)
    """
    pattern = _PATTERNS.get(method)
    match = pattern.fullmatch(path) if pattern else None
    if match is None:
        raise invalid_argument(f"Malformed request: {method} {path}")
    name, version, label, verb = match.group("name", "version", "label", "verb")
    spec = ModelSpec(name=unquote(name or ""))
    if version is not None:
        if len(version.lstrip("0")) > 19 or int(version) >= 2**63:
            raise invalid_argument(f"Failed to convert version: {version} to numeric.")
        spec.version.value = int(version)
    if label is not None:
        spec.version_label = unquote(label)
    # The pattern ignores case, the server's choice among the verbs does not.
    if method == "POST" and verb != verb.lower():
        raise invalid_argument(f"Malformed request: {method} {path}")
    if method == "GET" and verb != "metadata":
        verb = "status"
    if not name:
        raise invalid_argument("Missing model name in request.")
    return RestCall(verb, spec)


def _error_response(status: int, message: str) -> Response:
    return Response(_dump({"error": message}), status, media_type="application/json")


def _dump(value: dict) -> bytes:
    return json.dumps(value, indent=1).encode()


def _to_dict(message: Message) -> dict:
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
