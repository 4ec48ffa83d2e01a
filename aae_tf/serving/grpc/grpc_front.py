"""The gRPC server: its thread, its event loop, start and stop, and its health service."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Collection
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

from aae_tf.serving.admission import Admission, RunningTasks, Workers
from aae_tf.serving.grpc.grpc_services import ModelService, PredictionService, make_handlers
from aae_tf.serving.models.model_manager import ModelManager
from aae_tf.serving.models.request_rows import RequestLimits
from aae_tf.serving.server_metrics import ServerMetrics

_PREDICTION_REQUESTS = {
    "Predict": predict_pb2.PredictRequest,
    "GetModelMetadata": get_model_metadata_pb2.GetModelMetadataRequest,
    "Classify": classification_pb2.ClassificationRequest,
    "Regress": regression_pb2.RegressionRequest,
    "MultiInference": inference_pb2.MultiInferenceRequest,
}
_MODEL_REQUESTS = {
    "GetModelStatus": get_model_status_pb2.GetModelStatusRequest,
    "HandleReloadConfigRequest": model_management_pb2.ReloadConfigRequest,
}
_MINUTE = 60_000  # milliseconds
_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    # With it, a second server could share the port and take half the requests.
    ("grpc.so_reuseport", 0),
    # A connection that says nothing is closed, and so is one that never ends what it began; the
    # client of a connection that was closed because of its age sends nothing twice.
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 10 * _MINUTE),
    ("grpc.max_connection_age_ms", 60 * _MINUTE),
    ("grpc.max_connection_age_grace_ms", 5 * _MINUTE),
    ("grpc.max_concurrent_streams", 1024),
]
# Answers of the health service.
_SERVING, _NOT_SERVING, _SERVICE_UNKNOWN = 1, 2, 3
# Seconds between two looks at whether the server still serves.
_INTERVAL = 0.1


class GrpcFront:
    """Answers TensorFlow Serving's PredictionService and ModelService, from a thread of its own.

    Requests are taken by one event loop: with batching they wait there, and cost no thread each.

    Args:
        manager: The models.
        metrics: Where requests are counted.
        max_body_bytes: Largest request to accept, above which RESOURCE_EXHAUSTED is the answer.
        limits: What a request may ask for.
        admission: How many requests may be under way.
        workers: Run requests without batching, and load models.
        reload_root: Folder under which a client may make the server load models; None: nowhere.
        health_service: Whether gRPC's health service answers too.
    """

    def __init__(
        self,
        manager: ModelManager,
        metrics: ServerMetrics,
        max_body_bytes: int,
        limits: RequestLimits,
        admission: Admission,
        workers: Workers,
        reload_root: Path | None = None,
        health_service: bool = False,
    ) -> None:
        self._manager = manager
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes
        self._limits = limits
        self._admission = admission
        self._workers = workers
        self._reload_root = reload_root
        self._health_service = health_service
        self._stop: Future[None] = Future()
        self._stopped = threading.Event()

    def start(
        self,
        address: str,
        credentials: grpc.ServerCredentials | None = None,
        socket_path: str = "",
    ) -> int:
        """Listens on `address`, "host:port", and returns the port.

        Args:
            address: Where to listen.
            credentials: For TLS on that port. Defaults to none.
            socket_path: A UNIX socket to listen on as well, without TLS. Defaults to none.

        Raises:
            RuntimeError: the address cannot be bound.
        """
        port: Future[int] = Future()
        threading.Thread(
            target=self._run,
            args=(address, credentials, socket_path, port),
            name="grpc-front",
            daemon=True,
        ).start()
        return port.result()

    def stop(self) -> None:
        """Stops listening, and returns once every request is answered.

        Requests that run are cut off, with UNAVAILABLE; `Admission.drain` waits for them. A call
        that arrives meanwhile gets CANCELLED from gRPC, see its issue 41785.
        """
        if not self._stop.done():
            self._stop.set_result(None)
        self._stopped.wait()

    def _run(self, *arguments: Any) -> None:
        port = arguments[-1]
        try:
            asyncio.run(self._serve(*arguments))
        except BaseException as error:  # `start` waits for the port, or for this error
            if port.done():
                raise
            port.set_exception(error)
        finally:
            self._stopped.set()

    async def _serve(
        self,
        address: str,
        credentials: grpc.ServerCredentials | None,
        socket_path: str,
        port: Future[int],
    ) -> None:
        server = grpc.aio.server(
            options=[("grpc.max_receive_message_length", self._max_body_bytes), *_OPTIONS]
        )
        tasks = RunningTasks()
        prediction = PredictionService(self._manager, self._metrics, self._limits, self._workers)
        model = ModelService(self._manager, self._reload_root, self._workers)
        services = {
            "PredictionService": (prediction, _PREDICTION_REQUESTS),
            "ModelService": (model, _MODEL_REQUESTS),
        }
        for name, (service, requests) in services.items():
            handlers = make_handlers(service, requests, self._admission, self._workers, tasks)
            _add(server, f"tensorflow.serving.{name}", handlers)
        if self._health_service:
            handlers = health_handlers(self._admission, services)
            _add(server, "grpc.health.v1.Health", handlers)
        if credentials is None:
            number = server.add_insecure_port(address)
        else:
            number = server.add_secure_port(address, credentials)
        if socket_path:
            server.add_insecure_port(f"unix:{socket_path}")
        await server.start()
        port.set_result(number)
        await asyncio.wrap_future(self._stop)
        tasks.cut()
        await server.stop(1.0)


def _add(server: grpc.aio.Server, name: str, handlers: dict[str, grpc.RpcMethodHandler]) -> None:
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))


def health_handlers(
    admission: Admission, services: Collection[str]
) -> dict[str, grpc.RpcMethodHandler]:
    """Returns the handlers of `grpc.health.v1.Health`.

    Args:
        admission: Says whether the server still takes requests.
        services: Names that it answers for, each with and without its package; the empty name
            stands for the server.

    References:
        gRPC Health Checking Protocol, https://grpc.io/docs/guides/health-checking/
    """
    known = {"", *services, *(f"tensorflow.serving.{name}" for name in services)}

    def status(service: str) -> int:
        if service not in known:
            return _SERVICE_UNKNOWN
        return _NOT_SERVING if admission.draining else _SERVING

    async def check(request: Message, context: grpc.aio.ServicerContext) -> Message:
        if request.service not in known:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Unknown service {request.service!r}")
        return response_class(status=status(request.service))

    async def watch(request: Message, context: grpc.aio.ServicerContext) -> AsyncIterator[Message]:
        last = None
        while last != _NOT_SERVING:
            now = status(request.service)
            if now != last:
                yield response_class(status=now)
            last = now
            await asyncio.sleep(_INTERVAL)

    request_class, response_class = health_messages()
    codecs = (request_class.FromString, response_class.SerializeToString)
    return {
        "Check": grpc.unary_unary_rpc_method_handler(check, *codecs),
        "Watch": grpc.unary_stream_rpc_method_handler(watch, *codecs),
    }


@functools.cache
def health_messages() -> tuple[type[Message], type[Message]]:
    """Returns the classes `HealthCheckRequest` and `HealthCheckResponse`.

    The enumeration of the response is declared as the number that it is on the wire.
    """
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="aae_tf/health.proto", package="grpc.health.v1", syntax="proto3"
    )
    for name, entry, kind in (
        ("HealthCheckRequest", "service", field.TYPE_STRING),
        ("HealthCheckResponse", "status", field.TYPE_INT32),
    ):
        message = file.message_type.add(name=name)
        message.field.add(name=entry, number=1, label=field.LABEL_OPTIONAL, type=kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    request, response = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"grpc.health.v1.{name}"))
        for name in ("HealthCheckRequest", "HealthCheckResponse")
    )
    return request, response
