"""TensorFlow Serving's two gRPC services."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import DecodeError, Message
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
)
from tensorflow_serving.apis.get_model_status_pb2 import (
    GetModelStatusRequest,
    GetModelStatusResponse,
)
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.model_management_pb2 import (
    ReloadConfigRequest,
    ReloadConfigResponse,
)
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceServicer
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceServicer
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from aae_tf.serving.admission import LARGE, Admission, LargeRequest, RunningTasks, Workers
from aae_tf.serving.batch_waiter import BatchWaiter, batching_session
from aae_tf.serving.errors import ServingError, invalid_argument
from aae_tf.serving.models import examples, tensor_proto
from aae_tf.serving.models.model_manager import ModelManager
from aae_tf.serving.models.model_queries import model_metadata, model_status, use_servable
from aae_tf.serving.models.model_watcher import reload_config
from aae_tf.serving.models.predict import (
    check_request,
    read_request,
    run_signature,
)
from aae_tf.serving.models.request_rows import RequestLimits
from aae_tf.serving.models.servable import Servable
from aae_tf.serving.server_metrics import ServerMetrics

_LOGGER = logging.getLogger("aae_tf.serving")
# Longer texts would not fit the trailers that carry them; the real server cuts there too.
_MAX_MESSAGE = 1024


def _abort_on_error(handle: Callable[[Any, Any, Any], Awaitable[Any]]) -> Callable:
    """Turns what `handle` raises into the status of the call."""

    @functools.wraps(handle)
    async def respond(service: Any, request: Message, context: grpc.aio.ServicerContext) -> Any:
        try:
            return await handle(service, request, context)
        except ServingError as error:
            code, message = error.code, error.message
        except Exception:
            _LOGGER.exception("%s failed", handle.__name__)
            code, message = grpc.StatusCode.INTERNAL, "Internal error; the server's log has it"
        if len(message) > _MAX_MESSAGE:
            message = message[:_MAX_MESSAGE] + "...TRUNCATED"
        return await context.abort(code, message)

    return respond


def make_handlers(
    service: Any,
    requests: Mapping[str, type[Message]],
    admission: Admission,
    workers: Workers,
    tasks: RunningTasks,
) -> dict[str, grpc.RpcMethodHandler]:
    """Returns the handlers of a service's methods, which read and write messages themselves.

    gRPC would do so in its event loop: a large message would stop all others meanwhile.

    Args:
        service: Has a coroutine per method.
        requests: Type of the request by method.
        admission: Counts the requests.
        workers: Read large messages.
        tasks: Hold the tasks that run.
    """
    return {
        method: grpc.unary_unary_rpc_method_handler(
            _make_handler(getattr(service, method), kind, admission, workers, tasks)
        )
        for method, kind in requests.items()
    }


def _make_handler(
    handle: Callable[[Any, Any], Awaitable[Message | bytes]],
    kind: type[Message],
    admission: Admission,
    workers: Workers,
    tasks: RunningTasks,
) -> Callable[[bytes, Any], Awaitable[bytes]]:
    async def respond(content: bytes, context: grpc.aio.ServicerContext) -> bytes:
        code, reason = grpc.StatusCode.INTERNAL, f"Expected a {kind.__name__}."
        try:
            with tasks.current(), admission.request(len(content)):
                if len(content) < LARGE:
                    request = kind.FromString(content)
                else:
                    request = await workers.run(
                        lambda _: kind.FromString(content), size=len(content)
                    )
                response = await handle(request, context)
                return response if isinstance(response, bytes) else response.SerializeToString()
        except ServingError as error:
            code, reason = error.code, error.message
        except DecodeError:
            pass
        await context.abort(code, reason)
        raise AssertionError("`abort` raises")

    return respond


def _require_spec(request: Message) -> None:
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")


class PredictionService(PredictionServiceServicer):
    """Answers requests to run a model, and for its signatures.

    Called by one event loop.

    Args:
        manager: The models.
        metrics: Where requests are counted.
        limits: What a request may ask for.
        workers: Run what no batch runs.
    """

    def __init__(
        self,
        manager: ModelManager,
        metrics: ServerMetrics,
        limits: RequestLimits,
        workers: Workers,
    ) -> None:
        self._manager = manager
        self._metrics = metrics
        self._limits = limits
        self._workers = workers
        self._batches = BatchWaiter(metrics)

    @_abort_on_error
    async def Predict(self, request: PredictRequest, context: grpc.aio.ServicerContext) -> bytes:
        """Runs a signature; returns a `PredictResponse` as it goes over the wire."""
        _require_spec(request)
        timeout = context.time_remaining()
        with self._metrics.request(request.model_spec.name, "Predict", "GRPC"):
            with use_servable(self._manager, request.model_spec) as servable:
                session = batching_session(servable)
                if session is not None:
                    name, inputs = await self._read(servable, request, request.ByteSize())
                    values = await self._batches.run(
                        session, servable, name, inputs, request.output_filter, timeout, "Predict"
                    )
                    return await self._respond(servable.name, servable.version, name, values)
            return await self._workers.run(
                functools.partial(self._predict_alone, request, timeout), request.ByteSize()
            )

    @_abort_on_error
    async def GetModelMetadata(
        self, request: GetModelMetadataRequest, context: grpc.aio.ServicerContext
    ) -> GetModelMetadataResponse:
        """Describes the signatures of a model."""
        _require_spec(request)
        if not request.metadata_field:
            raise invalid_argument(
                "GetModelMetadataRequest must specify at least one metadata_field"
            )
        for field in request.metadata_field:
            if field != "signature_def":
                raise invalid_argument(f"Metadata field {field} is not supported")
        return model_metadata(self._manager, request.model_spec)

    @_abort_on_error
    async def Classify(
        self, request: ClassificationRequest, context: grpc.aio.ServicerContext
    ) -> Message:
        """Runs a signature that gives classes of examples."""
        _require_spec(request)
        return await self._run_examples(examples.classify, "Classify", request, context)

    @_abort_on_error
    async def Regress(
        self, request: RegressionRequest, context: grpc.aio.ServicerContext
    ) -> Message:
        """Runs a signature that gives a number for each example."""
        _require_spec(request)
        return await self._run_examples(examples.regress, "Regress", request, context)

    @_abort_on_error
    async def MultiInference(
        self, request: MultiInferenceRequest, context: grpc.aio.ServicerContext
    ) -> Message:
        """Runs several signatures on the same examples."""
        if not request.tasks:
            raise invalid_argument("Inference request must contain at least one task.")
        return await self._run_examples(
            examples.multi_inference, "MultiInference", request, context
        )

    async def _run_examples(
        self, run: Callable[..., Message], api: str, request: Any, context: grpc.aio.ServicerContext
    ) -> Message:
        spec = request.tasks[0].model_spec if api == "MultiInference" else request.model_spec
        timeout = context.time_remaining()

        def answer(_: bool) -> Message:
            with use_servable(self._manager, spec) as servable:
                timer = self._metrics.runtime(servable.name, api)
                return run(servable, request, self._limits, timeout, timer)

        with self._metrics.request(spec.name, api, "GRPC"):
            return await self._workers.run(answer, request.ByteSize())

    async def _read(
        self, servable: Servable, request: PredictRequest, size: int
    ) -> tuple[str, dict[str, np.ndarray]]:
        checked = check_request(servable, request, self._limits)
        if size < LARGE:
            return read_request(request, checked)
        return await self._workers.run(lambda _: read_request(request, checked), size)

    def _predict_alone(self, request: PredictRequest, timeout: float | None, large: bool) -> bytes:
        # The thread itself holds the servable, which stays loaded when the client goes away.
        with use_servable(self._manager, request.model_spec) as servable:
            checked = check_request(servable, request, self._limits)
            if not large and checked.size >= LARGE:
                raise LargeRequest
            timer = self._metrics.runtime(servable.name, "Predict")
            name, inputs = read_request(request, checked)
            outputs = run_signature(servable, name, inputs, request.output_filter, timeout, timer)
        return _response(servable.name, servable.version, name, outputs)

    async def _respond(
        self, model: str, version: int, signature_name: str, outputs: Mapping[str, np.ndarray]
    ) -> bytes:
        size = sum(array.nbytes for array in outputs.values())
        if size < LARGE:
            return _response(model, version, signature_name, outputs)
        return await self._workers.run(
            lambda _: _response(model, version, signature_name, outputs), size
        )


class ModelService(ModelServiceServicer):
    """Answers requests for the status of models, and those that replace the list of them.

    Args:
        manager: The models.
        reload_root: Folder under which a client may make the server load models; None: nowhere.
        workers: Load them.
    """

    def __init__(self, manager: ModelManager, reload_root: Path | None, workers: Workers) -> None:
        self._manager = manager
        self._reload_root = reload_root
        self._workers = workers

    @_abort_on_error
    async def GetModelStatus(
        self, request: GetModelStatusRequest, context: grpc.aio.ServicerContext
    ) -> GetModelStatusResponse:
        """Returns the state of a model's versions."""
        _require_spec(request)
        return model_status(self._manager, request.model_spec)

    @_abort_on_error
    async def HandleReloadConfigRequest(
        self, request: ReloadConfigRequest, context: grpc.aio.ServicerContext
    ) -> ReloadConfigResponse:
        """Replaces the list of models, and returns when new ones serve."""
        await self._workers.run(
            lambda _: reload_config(self._manager, request, self._reload_root), size=0
        )
        response = ReloadConfigResponse()
        response.status.SetInParent()  # a present, empty status is OK
        return response


def _response(
    model: str, version: int, signature_name: str, outputs: Mapping[str, np.ndarray]
) -> bytes:
    response = PredictResponse()
    response.model_spec.name = model
    response.model_spec.version.value = version
    response.model_spec.signature_name = signature_name
    for alias, array in outputs.items():
        tensor_proto.fill(response.outputs[alias], array)
    return response.SerializeToString()
