"""The gRPC side of the server."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc
from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
)
from tensorflow_serving.apis.get_model_status_pb2 import (
    GetModelStatusRequest,
    GetModelStatusResponse,
)
from tensorflow_serving.apis.model_management_pb2 import (
    ReloadConfigRequest,
    ReloadConfigResponse,
)
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from aae_tf.serving import tensor_proto
from aae_tf.serving.errors import ServingError, invalid_argument
from aae_tf.serving.model_manager import ModelManager
from aae_tf.serving.model_queries import model_metadata, model_status, use_servable
from aae_tf.serving.predict import run_request
from aae_tf.serving.reload_config import reload_config
from aae_tf.serving.server_metrics import ServerMetrics

_LOGGER = logging.getLogger("aae_tf.serving")
# Longer texts would not fit the trailers that carry them; the real server cuts there too.
_MAX_MESSAGE = 1024
# Seconds: without a deadline, gRPC for Python reports the distance to the end of its clock.
_NO_DEADLINE = 1e9


class GrpcFront:
    """Answers TensorFlow Serving's PredictionService and ModelService.

    Args:
        manager: The models.
        metrics: Where requests are counted.
        max_body_bytes: Largest request to accept, above which RESOURCE_EXHAUSTED is the answer.
        num_threads: Requests that may run at the same time; the others wait.
        reload_root: Folder under which a client may make the server load models; None: nowhere.
    """

    def __init__(
        self,
        manager: ModelManager,
        metrics: ServerMetrics,
        max_body_bytes: int,
        num_threads: int,
        reload_root: Path | None = None,
    ) -> None:
        self._executor = ThreadPoolExecutor(num_threads, thread_name_prefix="grpc-front")
        self._server = grpc.server(
            self._executor,
            options=[
                ("grpc.max_receive_message_length", max_body_bytes),
                ("grpc.max_send_message_length", -1),
                # Otherwise a second server could share the port, and take half the requests.
                ("grpc.so_reuseport", 0),
            ],
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            _PredictionService(manager, metrics, max_body_bytes), self._server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            _ModelService(manager, reload_root), self._server
        )

    def start(self, address: str) -> int:
        """Listens on `address`, "host:port", and returns the port.

        Raises:
            RuntimeError: the address cannot be bound.
        """
        port = self._server.add_insecure_port(address)
        self._server.start()
        return port

    def stop(self, grace: float) -> threading.Event:
        """Refuses new requests and cancels running ones after `grace` seconds.

        Returns:
            An event that is set once every request is answered.
        """
        stopped = self._server.stop(grace)
        self._executor.shutdown(wait=False)
        return stopped


def _answer(handle: Callable[[Any, Any, grpc.ServicerContext], Message]) -> Callable:
    """Turns what `handle` raises into the status of the call."""

    @functools.wraps(handle)
    def answer(service: Any, request: Message, context: grpc.ServicerContext) -> Message:
        try:
            return handle(service, request, context)
        except ServingError as error:
            code, message = error.code, error.message
        except Exception:
            _LOGGER.exception("%s failed", handle.__name__)
            code, message = grpc.StatusCode.INTERNAL, "Internal error; the server's log has it"
        if len(message) > _MAX_MESSAGE:
            message = message[:_MAX_MESSAGE] + "...TRUNCATED"
        return context.abort(code, message)

    return answer


def _require_spec(request: Message) -> None:
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")


class _PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, manager: ModelManager, metrics: ServerMetrics, max_bytes: int) -> None:
        self._manager = manager
        self._metrics = metrics
        self._max_bytes = max_bytes

    @_answer
    def Predict(self, request: PredictRequest, context: grpc.ServicerContext) -> PredictResponse:
        _require_spec(request)
        with self._metrics.request(request.model_spec.name, "Predict", "GRPC"):
            return self._predict(request, context)

    def _predict(self, request: PredictRequest, context: grpc.ServicerContext) -> PredictResponse:
        remaining = context.time_remaining()
        timeout = remaining if remaining < _NO_DEADLINE else None
        with use_servable(self._manager, request.model_spec) as servable:
            timer = self._metrics.runtime(servable.name, "Predict")
            name, outputs = run_request(servable, request, self._max_bytes, timeout, timer)
        response = PredictResponse()
        response.model_spec.name = servable.name
        response.model_spec.version.value = servable.version
        response.model_spec.signature_name = name
        for alias, array in outputs.items():
            response.outputs[alias].CopyFrom(tensor_proto.from_array(array))
        return response

    @_answer
    def GetModelMetadata(
        self, request: GetModelMetadataRequest, context: grpc.ServicerContext
    ) -> GetModelMetadataResponse:
        _require_spec(request)
        if not request.metadata_field:
            raise invalid_argument(
                "GetModelMetadataRequest must specify at least one metadata_field"
            )
        for field in request.metadata_field:
            if field != "signature_def":
                raise invalid_argument(f"Metadata field {field} is not supported")
        return model_metadata(self._manager, request.model_spec)

    @_answer
    def Classify(self, request: Message, context: grpc.ServicerContext) -> Message:
        raise _unimplemented("Classify")

    @_answer
    def Regress(self, request: Message, context: grpc.ServicerContext) -> Message:
        raise _unimplemented("Regress")

    @_answer
    def MultiInference(self, request: Message, context: grpc.ServicerContext) -> Message:
        raise _unimplemented("MultiInference")


class _ModelService(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, manager: ModelManager, reload_root: Path | None) -> None:
        self._manager = manager
        self._reload_root = reload_root

    @_answer
    def GetModelStatus(
        self, request: GetModelStatusRequest, context: grpc.ServicerContext
    ) -> GetModelStatusResponse:
        _require_spec(request)
        return model_status(self._manager, request.model_spec)

    @_answer
    def HandleReloadConfigRequest(
        self, request: ReloadConfigRequest, context: grpc.ServicerContext
    ) -> ReloadConfigResponse:
        reload_config(self._manager, request, self._reload_root)
        response = ReloadConfigResponse()
        response.status.SetInParent()  # a present, empty status is OK
        return response


def _unimplemented(method: str) -> ServingError:
    return ServingError(
        grpc.StatusCode.UNIMPLEMENTED, f"{method} is not implemented by this server."
    )
