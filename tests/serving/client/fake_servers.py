"""Servers that fail on purpose, over either protocol, and record what they were asked."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import unquote

import grpc
import tensorflow as tf
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse
from tensorflow_serving.apis.model_service_pb2_grpc import (
    ModelServiceServicer,
    add_ModelServiceServicer_to_server,
)
from tensorflow_serving.apis.predict_pb2 import PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import (
    PredictionServiceServicer,
    add_PredictionServiceServicer_to_server,
)

from aae_tf.serving.errors import HTTP_STATUS

_SIGNATURE = {
    "inputs": {"inputs": {"dtype": "DT_FLOAT"}},
    "outputs": {"latents": {"dtype": "DT_FLOAT"}},
}


class Asked(NamedTuple):
    """A request: what it was, its values, which version or label it named, and when it came."""

    kind: str
    values: list
    version: object
    time: float


class Behaviour:
    """What a fake server does, and what happened to it.

    `cancelled` is set by a request that its client cancelled before the answer.

    Args:
        answer: From the number of the predict request, from 0, and its values to a status code,
            or None to echo `inputs` as `latents`.
    """

    def __init__(self, answer: Callable[[int, list], grpc.StatusCode | None] = lambda *_: None):
        self.answer = answer
        self.states = []  # of version 1, one per status request, the last forever
        self.asked = []
        self.most_at_once = 0
        self.cancelled = threading.Event()
        self._at_once = 0
        self._lock = threading.Lock()
        self._arrival = threading.Condition(self._lock)

    def wait_for_predicts(self, number: int) -> None:
        """Returns once `number` predict requests have arrived."""
        with self._arrival:
            assert self._arrival.wait_for(lambda: len(self.predicts) >= number, 60.0)

    @property
    def predicts(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.kind == "predict"]

    def predict(self, values: list, version: object) -> grpc.StatusCode | None:
        with self._lock:
            number = len(self.predicts)
            self.asked.append(Asked("predict", values, version, time.monotonic()))
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self._arrival.notify_all()
        try:
            return self.answer(number, values)
        finally:
            with self._lock:
                self._at_once -= 1

    def status(self, version: object) -> str | None:
        self.asked.append(Asked("status", [], version, time.monotonic()))
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


@contextmanager
def reserved_port():
    """A port of which connections are refused until one of the servers below takes it."""
    with socket.socket() as reservation:
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reservation.bind(("127.0.0.1", 0))
        yield reservation.getsockname()[1]


def _version(spec) -> object:
    if spec.HasField("version"):
        return spec.version.value
    return spec.version_label or None


@contextmanager
def grpc_server(behaviour: Behaviour, port: int = 0):
    class Prediction(PredictionServiceServicer):
        def Predict(self, request, context):
            array = tf.make_ndarray(request.inputs["inputs"])
            answered = threading.Event()
            context.add_callback(lambda: answered.is_set() or behaviour.cancelled.set())
            code = behaviour.predict(array.tolist(), _version(request.model_spec))
            answered.set()
            if code is not None:
                context.abort(code, f"on purpose: {code.name}")
            return PredictResponse(outputs={"latents": tf.make_tensor_proto(array)})

    class Model(ModelServiceServicer):
        def GetModelStatus(self, request, context):
            state = behaviour.status(_version(request.model_spec))
            if state in grpc.StatusCode.__members__:
                context.abort(grpc.StatusCode[state], "on purpose")
            response = GetModelStatusResponse()
            response.model_version_status.add(version=1, state=state)
            return response

    server = grpc.server(ThreadPoolExecutor(16))
    add_PredictionServiceServicer_to_server(Prediction(), server)
    add_ModelServiceServicer_to_server(Model(), server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()


@contextmanager
def rest_server(behaviour: Behaviour, port: int = 0):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def version(self):
            parts = self.path.partition(":")[0].split("/")
            return {
                "versions": lambda: int(parts[5]),
                "labels": lambda: unquote(parts[5]),
            }.get(parts[4] if len(parts) > 5 else None, lambda: None)()

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            values = body["inputs"]["inputs"]
            answered = threading.Event()
            threading.Thread(target=self.watch, args=(answered,), daemon=True).start()
            code = behaviour.predict(values, self.version())
            answered.set()
            if code is not None:
                self.reply(HTTP_STATUS[code], {"error": f"on purpose: {code.name}"})
            else:
                self.reply(200, {"outputs": values})

        def do_GET(self):
            if self.path.endswith("/metadata"):
                signatures = {"signature_def": {"encode": _SIGNATURE}}
                self.reply(200, {"metadata": {"signature_def": signatures}})
                return
            state = behaviour.status(self.version())
            if state in grpc.StatusCode.__members__:
                self.reply(HTTP_STATUS[grpc.StatusCode[state]], {"error": "on purpose"})
            else:
                states = [{"version": "1", "state": state}]
                self.reply(200, {"model_version_status": states})

        def reply(self, status, answer):
            content = json.dumps(answer).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except ConnectionError:
                self.close_connection = True

        def watch(self, answered):
            """Waits for what comes next over the connection: its end, if it is cancelled."""
            with contextlib.suppress(OSError):
                if not self.connection.recv(1, socket.MSG_PEEK) and not answered.is_set():
                    behaviour.cancelled.set()

        def log_message(self, *arguments):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def server_bind(self):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            super().server_bind()

        def handle_error(self, request, client_address):
            """Prints nothing: the client has gone."""

    with Server(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


SERVERS = {"grpc": grpc_server, "rest": rest_server}
