"""TensorFlow Serving's two gRPC services."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf.message import Message
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
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceServicer
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceServicer

from aae_tf.serving.batching import BatchingSession
from aae_tf.serving.errors import ServingError, from_op_error, invalid_argument
from aae_tf.serving.models import tensor_proto
from aae_tf.serving.models.model_manager import ModelManager
from aae_tf.serving.models.model_queries import model_metadata, model_status, use_servable
from aae_tf.serving.models.model_watcher import reload_config
from aae_tf.serving.models.predict import prepare_inputs, read_request, run_request
from aae_tf.serving.server_metrics import ServerMetrics

_LOGGER = logging.getLogger("aae_tf.serving")
# Longer texts would not fit the trailers that carry them; the real server cuts there too.
_MAX_MESSAGE = 1024
# An answer of more numbers is written in a thread: it would block the event loop for milliseconds.
_MANY = 2**16

Outputs = dict[str, np.ndarray]


def _abort_on_error(handle: Callable[[Any, Any, Any], Awaitable[Message]]) -> Callable:
    """Turns what `handle` raises into the status of the call."""

    @functools.wraps(handle)
    async def respond(service: Any, request: Message, context: grpc.aio.ServicerContext) -> Message:
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


def _require_spec(request: Message) -> None:
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")


class PredictionService(PredictionServiceServicer):
    """Answers requests to run a model, and for its signatures.

    Made in the thread of the event loop that calls it.

    Args:
        manager: The models.
        metrics: Where requests are counted.
        max_bytes: Largest input of a request, in bytes.
        executor: Runs what no batch runs.
    """

    def __init__(
        self,
        manager: ModelManager,
        metrics: ServerMetrics,
        max_bytes: int,
        executor: ThreadPoolExecutor,
    ) -> None:
        self._manager = manager
        self._metrics = metrics
        self._max_bytes = max_bytes
        self._executor = executor
        self._batches = BatchWaiter()

    @_abort_on_error
    async def Predict(
        self, request: PredictRequest, context: grpc.aio.ServicerContext
    ) -> PredictResponse:
        """Runs a signature."""
        _require_spec(request)
        timeout = context.time_remaining()
        with self._metrics.request(request.model_spec.name, "Predict", "GRPC"):
            with use_servable(self._manager, request.model_spec) as servable:
                session = servable.runner
                if isinstance(session, BatchingSession):
                    name, given = read_request(servable, request, self._max_bytes)
                    outputs = request.output_filter
                    inputs = prepare_inputs(servable, name, given, outputs, timeout)
                    with self._metrics.runtime(servable.name, "Predict"):
                        values = await self._batches.run(
                            session, name, inputs, tuple(outputs) or None, timeout
                        )
                    return await self._respond(servable.name, servable.version, name, values)
            return await self._in_thread(self._predict_alone, request, timeout)

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
    async def Classify(self, request: Message, context: grpc.aio.ServicerContext) -> Message:
        """Refuses: signatures of tf.Example are not served."""
        raise _unimplemented("Classify")

    @_abort_on_error
    async def Regress(self, request: Message, context: grpc.aio.ServicerContext) -> Message:
        """Refuses: signatures of tf.Example are not served."""
        raise _unimplemented("Regress")

    @_abort_on_error
    async def MultiInference(self, request: Message, context: grpc.aio.ServicerContext) -> Message:
        """Refuses: signatures of tf.Example are not served."""
        raise _unimplemented("MultiInference")

    def _predict_alone(self, request: PredictRequest, timeout: float | None) -> PredictResponse:
        # The thread itself holds the servable, which stays loaded when the client goes away.
        with use_servable(self._manager, request.model_spec) as servable:
            timer = self._metrics.runtime(servable.name, "Predict")
            name, outputs = run_request(servable, request, self._max_bytes, timeout, timer)
        return _response(servable.name, servable.version, name, outputs)

    async def _respond(
        self, model: str, version: int, signature_name: str, outputs: Mapping[str, np.ndarray]
    ) -> PredictResponse:
        if sum(array.size for array in outputs.values()) > _MANY:
            return await self._in_thread(_response, model, version, signature_name, outputs)
        return _response(model, version, signature_name, outputs)

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, function, *arguments)


class ModelService(ModelServiceServicer):
    """Answers requests for the status of models, and those that replace the list of them.

    Args:
        manager: The models.
        reload_root: Folder under which a client may make the server load models; None: nowhere.
        executor: Loads them.
    """

    def __init__(
        self, manager: ModelManager, reload_root: Path | None, executor: ThreadPoolExecutor
    ) -> None:
        self._manager = manager
        self._reload_root = reload_root
        self._executor = executor

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
        await asyncio.get_running_loop().run_in_executor(
            self._executor, reload_config, self._manager, request, self._reload_root
        )
        response = ReloadConfigResponse()
        response.status.SetInParent()  # a present, empty status is OK
        return response


class BatchWaiter:
    """Hands the answers of batch threads to an event loop, which is woken once per batch.

    Made in the loop's thread.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._answers: deque[tuple[asyncio.Future[Outputs], Outputs | None, Exception | None]]
        self._answers = deque()
        self._woken = False

    async def run(
        self,
        session: BatchingSession,
        signature_name: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str] | None,
        timeout: float | None,
    ) -> Outputs:
        """Runs a signature as part of a batch; see `BatchingSession.run`.

        Raises:
            ServingError: what batching or the runtime reports.
        """
        future: asyncio.Future[Outputs] = self._loop.create_future()

        def done(outputs: Outputs | None, error: Exception | None) -> None:
            self._answers.append((future, outputs, error))
            if not self._woken:
                self._woken = True
                self._wake()

        session.submit(signature_name, inputs, outputs, timeout, done)
        return await future

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:
            # The loop has ended, and with it every caller.
            if not self._loop.is_closed():
                raise

    def _deliver(self) -> None:
        # Reset before the answers are taken: one that comes meanwhile wakes the loop once more.
        self._woken = False
        while self._answers:
            future, outputs, error = self._answers.popleft()
            if future.done():  # its client has gone
                continue
            if isinstance(error, tf.errors.OpError):
                error = from_op_error(error)
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(outputs or {})


def _response(
    model: str, version: int, signature_name: str, outputs: Mapping[str, np.ndarray]
) -> PredictResponse:
    response = PredictResponse()
    response.model_spec.name = model
    response.model_spec.version.value = version
    response.model_spec.signature_name = signature_name
    for alias, array in outputs.items():
        tensor_proto.fill(response.outputs[alias], array)
    return response


def _unimplemented(method: str) -> ServingError:
    return ServingError(
        grpc.StatusCode.UNIMPLEMENTED, f"{method} is not implemented by this server."
    )
