"""The gRPC side of the server."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from aae_tf.export.saved_model import DEFAULT_SIGNATURE
from aae_tf.serving import tensor_proto
from aae_tf.serving.errors import ServingError, invalid_argument
from aae_tf.serving.model_manager import ModelManager
from aae_tf.serving.model_queries import find_servable, model_metadata, model_status
from aae_tf.serving.predict import check_input_names, run_signature

_LOGGER = logging.getLogger("aae_tf.serving")
# Longer texts would not fit the trailers that carry them; the real server cuts there too.
_MAX_MESSAGE = 1024
# Seconds: without a deadline, gRPC for Python reports the distance to the end of its clock.
_NO_DEADLINE = 1e9


class GrpcFront:
    """Answers TensorFlow Serving's PredictionService and ModelService.

    Args:
        manager: The models.
        max_body_bytes: Largest request to accept, above which RESOURCE_EXHAUSTED is the answer.
        num_threads: Requests that may run at the same time; the others wait.
    """

    def __init__(self, manager: ModelManager, max_body_bytes: int, num_threads: int) -> None:
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
            _PredictionService(manager, max_body_bytes), self._server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            _ModelService(manager), self._server
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
    def __init__(self, manager: ModelManager, max_bytes: int) -> None:
        self._manager = manager
        self._max_bytes = max_bytes

    @_answer
    def Predict(self, request: PredictRequest, context: grpc.ServicerContext) -> PredictResponse:
        _require_spec(request)
        servable = find_servable(self._manager, request.model_spec)
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        signature = servable.session.signature_defs.get(name)
        if signature is None:
            raise ServingError(
                grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.'
            )
        check_input_names(signature, request.inputs.keys())
        inputs = {
            alias: tensor_proto.to_array(alias, proto, self._max_bytes)
            for alias, proto in request.inputs.items()
        }
        remaining = context.time_remaining()
        timeout = remaining if remaining < _NO_DEADLINE else None
        outputs = run_signature(servable, name, inputs, request.output_filter, timeout)
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
    def __init__(self, manager: ModelManager) -> None:
        self._manager = manager

    @_answer
    def GetModelStatus(
        self, request: GetModelStatusRequest, context: grpc.ServicerContext
    ) -> GetModelStatusResponse:
        _require_spec(request)
        return model_status(self._manager, request.model_spec)

    @_answer
    def HandleReloadConfigRequest(self, request: Message, context: grpc.ServicerContext) -> Message:
        raise _unimplemented("HandleReloadConfigRequest")


def _unimplemented(method: str) -> ServingError:
    return ServingError(
        grpc.StatusCode.UNIMPLEMENTED, f"{method} is not implemented by this server."
    )
