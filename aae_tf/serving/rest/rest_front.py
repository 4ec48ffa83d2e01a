"""The REST server: addresses, bodies, and answers over HTTP."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import re
import socket
import threading
import time
import zlib
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import unquote

import numpy as np
import uvicorn
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from aae_tf.export.saved_model import DEFAULT_SIGNATURE
from aae_tf.serving.admission import (
    LARGE,
    SMALL,
    Admission,
    LargeRequest,
    RunningTasks,
    Workers,
)
from aae_tf.serving.batch_waiter import BatchWaiter, batching_session
from aae_tf.serving.errors import RequestTooLarge, ServingError, http_status, invalid_argument
from aae_tf.serving.models.examples import classify, regress
from aae_tf.serving.models.model_manager import ModelManager
from aae_tf.serving.models.model_queries import model_metadata, model_status, use_servable
from aae_tf.serving.models.predict import run_signature
from aae_tf.serving.models.request_rows import RequestLimits
from aae_tf.serving.models.servable import Servable
from aae_tf.serving.rest.http_protocol import IDLE_TIMEOUT, HttpProtocol, HttpServer
from aae_tf.serving.rest.json_parser import parse_document, release
from aae_tf.serving.rest.json_request import read_examples, read_inputs, read_signature_name
from aae_tf.serving.rest.json_response import (
    write_classifications,
    write_outputs,
    write_regressions,
)
from aae_tf.serving.server_metrics import CONTENT_TYPE, ServerMetrics

_LOGGER = logging.getLogger("aae_tf.serving")
_NOT_FOUND_PAGE = "<html><head><title>404 Not Found</title></head><body>Not Found</body></html>"

_NOT_IMPLEMENTED_PAGE = (
    "<html><head><title>501 Not Implemented</title></head><body>Not Implemented</body></html>"
)
_METHODS = {"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"}
_ABSOLUTE = re.compile(r"\Ahttps?://[^/]*", re.IGNORECASE)
_THIS_MACHINE = re.compile(rb"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?", re.IGNORECASE)
_CORS_HEADERS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "POST, GET",
    "access-control-allow-headers": "Content-Type",
}
# Seconds that a body may take to arrive.
_BODY_TIMEOUT = 60.0
# Bytes of memory that a value of a JSON document takes before it is in an array.
_BYTES_PER_VALUE = 8

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

    Differs from the real server: a body above `max_body_bytes` gets 413, and one that takes
    longer than a minute to arrive 408.

    Args:
        manager: The models.
        metrics: Where requests are counted.
        max_body_bytes: Largest body to accept, before and after decompression.
        limits: What a request may ask for.
        admission: How many requests may be under way.
        workers: Run the requests.
        timeout: Seconds that a run may take, after which 504 is the answer.
        metrics_path: Where the metrics are shown; None: nowhere.
        cors: Whether pages of any origin may call.
        pages: Answers what is outside of /v1/, where the real server answers 404; None: nobody.
    """

    def __init__(
        self,
        manager: ModelManager,
        metrics: ServerMetrics,
        max_body_bytes: int,
        limits: RequestLimits,
        admission: Admission,
        workers: Workers,
        timeout: float,
        metrics_path: str | None = None,
        cors: bool = False,
        pages: ASGIApp | None = None,
    ) -> None:
        self._manager = manager
        self._metrics = metrics
        self._metrics_path = metrics_path
        self._max_body_bytes = max_body_bytes
        self._limits = limits
        self._admission = admission
        self._workers = workers
        self._timeout = timeout
        self._cors = _CORS_HEADERS if cors else {}
        self._pages = pages
        self._checks_host = False
        self._tasks = RunningTasks()
        self._batches = BatchWaiter(metrics)

    def start(self, listener: socket.socket) -> None:
        """Answers on `listener`, a bound socket, from a thread of its own.

        Raises:
            OSError: the socket cannot listen.
            RuntimeError: the HTTP server ended while it started; its log has the reason.
        """
        listener.listen()
        is_local = self._pages is not None and listener.getsockname()[0] in ("127.0.0.1", "::1")
        self._checks_host = is_local
        self._server = HttpServer(
            uvicorn.Config(
                self,
                interface="asgi3",
                http=HttpProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=IDLE_TIMEOUT,
                timeout_graceful_shutdown=1,
                proxy_headers=False,
                # The event loop takes as many connections at once.
                backlog=128,
            ),
            self._tasks.cut,
        )
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="rest-front", daemon=True
        )
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("Expected the REST server to start, but it ended.")
            time.sleep(0.005)

    def stop(self) -> None:
        """Refuses new connections, and returns when all are closed.

        Requests that run are cut off, with 503; `Admission.drain` waits for them.
        """
        self._server.should_exit = True
        self._thread.join()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, as an ASGI application."""
        if self._pages is not None and not scope["path"].lower().startswith("/v1/"):
            await self._pages(scope, receive, send)
            return
        if self._checks_host:
            # A page of another origin that has its name lead to this machine gets nothing.
            host = dict(scope["headers"]).get(b"host", b"")
            if _THIS_MACHINE.fullmatch(host) is None:
                refusal = _error_response(
                    400, f"Expected the host to be this machine. Received: {host[:100]!r}."
                )
                await refusal(scope, receive, send)
                return
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except ClientDisconnect:
            return
        response.headers.update(self._cors)
        if self._admission.draining:
            response.headers["connection"] = "close"
        elif scope["http_version"] == "1.1" and _asks_to_keep(request):
            response.headers["connection"] = "keep-alive"
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        path = _ABSOLUTE.sub("", request.scope["raw_path"].decode("ascii", "replace"))
        if request.method not in _METHODS:
            return HTMLResponse(_NOT_IMPLEMENTED_PAGE, 501, {"connection": "close"})
        if "content-length" in request.headers and "transfer-encoding" in request.headers:
            # Two lengths: whoever stands before this server may have believed the other one.
            response = _error_response(
                400, "Expected a body of one length. Received: Content-Length, Transfer-Encoding."
            )
            response.headers["connection"] = "close"
            return response
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
            return await self._answer(request, path)
        except ServingError as error:
            return _error_response(http_status(error), error.message)
        except ClientDisconnect:
            raise
        except Exception:
            _LOGGER.exception("%s %s failed", request.method, path)
            return _error_response(500, "Internal error; the server's log has it")

    async def _answer(self, request: Request, path: str) -> Response:
        try:
            call = parse_rest_call(request.method, path)
        except ServingError as error:
            self._metrics.refused(error)
            raise
        api = call.verb if request.method == "POST" else ""  # as the real server names it
        with self._metrics.request(call.spec.name, api, "REST"):
            try:
                body = await asyncio.wait_for(self._read_body(request), _BODY_TIMEOUT)
            except asyncio.TimeoutError:
                response = _error_response(
                    408, f"Expected the body within {_BODY_TIMEOUT:g} seconds."
                )
                response.headers["connection"] = "close"
                return response
            with self._tasks.current(), self._admission.request(len(body)):
                is_gzip = "gzip" in request.headers.get("content-encoding", "")
                content = None
                run = functools.partial(self._run_call, call, body, is_gzip)
                if call.verb == "predict" and len(body) <= SMALL and not is_gzip:
                    document = self._parse(body)
                    content = await self._predict_in_batch(call, document)
                    run = functools.partial(self._predict, call, document)
                if content is None:
                    content = await self._workers.run(run, len(body))
        if len(content) >= LARGE:
            return _PiecewiseResponse(content)
        return Response(content, media_type="application/json")

    def _show_metrics(self, request: Request) -> Response:
        if request.scope["query_string"]:
            return Response("Unexpected path", 400, media_type=CONTENT_TYPE)
        return Response(self._metrics.render(), media_type=CONTENT_TYPE)

    async def _read_body(self, request: Request) -> bytes:
        """Returns the body as it was sent.

        Raises:
            RequestTooLarge: it is too long.
        """
        body = bytearray()
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            # All is read, though not stored: a client that still sends would miss the answer.
            if size <= self._max_body_bytes:
                body += chunk
        if size > self._max_body_bytes:
            raise self._too_long()
        return bytes(body)

    def _inflate(self, body: bytes, large: bool) -> bytes:
        """Returns what gzip made `body` of, and nothing past a limit."""
        limit = self._max_body_bytes if large else min(LARGE, self._max_body_bytes)
        inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            inflated = inflater.decompress(body, limit + 1)
        except zlib.error:
            return b""  # as the real server has it: "The document is empty"
        if len(inflated) > self._max_body_bytes:
            raise self._too_long()
        if len(inflated) > limit:
            raise LargeRequest
        return inflated if inflater.eof and not inflater.unused_data else b""

    def _too_long(self) -> RequestTooLarge:
        return RequestTooLarge(f"Expected a body of at most {self._max_body_bytes} bytes.")

    def _run_call(self, call: RestCall, body: bytes, is_gzip: bool, large: bool) -> bytes:
        if is_gzip:
            body = self._inflate(body, large)
        if call.verb == "predict":
            return self._predict(call, self._parse(body), large)
        if call.verb == "status":
            return _dump(_to_dict(model_status(self._manager, call.spec)))
        if call.verb == "metadata":
            return self._metadata(call)
        return self._run_examples(call, body)

    async def _predict_in_batch(self, call: RestCall, document: dict[str, Any]) -> bytes | None:
        """Answers a small request without a thread; None: there is no batching, or it is large."""
        with use_servable(self._manager, call.spec) as servable:
            session = batching_session(servable)
            if session is None:
                return None
            inputs = self._read(document, servable)
            if inputs.size > SMALL:
                return None
            outputs = await self._batches.run(
                session,
                servable,
                inputs.signature_name,
                inputs.arrays,
                (),
                self._timeout,
                "predict",
            )
        # A signature need not declare how wide its outputs are, or how long strings may be.
        size = sum(_num_bytes(array) for array in outputs.values())
        if size <= SMALL:
            return write_outputs(outputs, inputs.row_form)
        return await self._workers.run(lambda large: write_outputs(outputs, inputs.row_form), size)

    def _predict(self, call: RestCall, document: dict[str, Any], large: bool) -> bytes:
        with use_servable(self._manager, call.spec) as servable:
            inputs = self._read(document, servable)
            if inputs.size >= LARGE and not large:
                raise LargeRequest
            release(document)
            timer = self._metrics.runtime(servable.name, "predict")
            outputs = run_signature(
                servable, inputs.signature_name, inputs.arrays, timeout=self._timeout, timer=timer
            )
        return write_outputs(outputs, inputs.row_form)

    def _parse(self, body: bytes) -> dict[str, Any]:
        document = parse_document(body, self._limits.max_bytes // _BYTES_PER_VALUE)
        # The order of the checks is the real server's: it decides which error wins.
        read_signature_name(document)
        return document

    def _read(self, document: dict[str, Any], servable: Servable) -> _Inputs:
        requested = read_signature_name(document)
        name = requested or DEFAULT_SIGNATURE
        signature = servable.signature_defs.get(name)
        if signature is None:
            raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
        arrays, row_form = read_inputs(document, requested, signature)
        shapes = {name: array.shape for name, array in arrays.items()}
        return _Inputs(name, arrays, row_form, self._limits.check(signature, shapes))

    def _run_examples(self, call: RestCall, body: bytes) -> bytes:
        document = self._parse(body)
        call.spec.signature_name = read_signature_name(document)
        examples = read_examples(document)
        with use_servable(self._manager, call.spec) as servable:
            timer = self._metrics.runtime(servable.name, call.verb)
            arguments = (self._limits, self._timeout, timer)
            if call.verb == "classify":
                classes = classify(
                    servable,
                    ClassificationRequest(model_spec=call.spec, input=examples),
                    *arguments,
                )
                return write_classifications(classes.result)
            numbers = regress(
                servable, RegressionRequest(model_spec=call.spec, input=examples), *arguments
            )
            return write_regressions(numbers.result)

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


class _Inputs(NamedTuple):
    """What a predict request gives to a signature.

    Attributes:
        signature_name: The signature.
        arrays: Inputs by name.
        row_form: Whether the request, and so its answer, is in row form.
        size: Bytes of the inputs, and of the outputs that they lead to.
    """

    signature_name: str
    arrays: dict[str, np.ndarray]
    row_form: bool
    size: int


class _PiecewiseResponse(Response):
    """A long answer, sent as fast as its client reads it and never copied whole."""

    _PIECE = 2**18

    def __init__(self, content: bytes) -> None:
        self._content = content
        headers = {"content-length": str(len(content))}
        super().__init__(headers=headers, media_type="application/json")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        view = memoryview(self._content)
        for start in range(0, len(view), self._PIECE):
            end = start + self._PIECE
            await send(
                {
                    "type": "http.response.body",
                    "body": bytes(view[start:end]),
                    "more_body": end < len(view),
                }
            )


def _asks_to_keep(request: Request) -> bool:
    return request.headers.get("connection", "").lower() == "keep-alive"


def _error_response(status: int, message: str) -> Response:
    return Response(_dump({"error": message}), status, media_type="application/json")


def _num_bytes(array: np.ndarray) -> int:
    """Counts the bytes of an array, those of its strings included."""
    return sum(map(len, array.flat)) if array.dtype == object else array.nbytes


def _dump(value: dict) -> bytes:
    return json.dumps(value, indent=1).encode()


def _to_dict(message: Message) -> dict:
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
