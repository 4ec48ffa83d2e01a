"""Calls as messages of TensorFlow Serving's gRPC services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import grpc
import tensorflow as tf
from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    SignatureDefMap,
)
from tensorflow_serving.apis.get_model_status_pb2 import (
    GetModelStatusRequest,
    GetModelStatusResponse,
    ModelVersionStatus,
)
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from aae_tf.serving.client.calls import Arrays, Call, MetadataCall, PredictCall, Target
from aae_tf.serving.client.signatures import Signatures, to_python
from aae_tf.serving.errors import ServingError

CHANNEL_OPTIONS = [
    # The default limit of 4 MiB on answers is 1,300 images of 28 x 28.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # By default, a channel that has lost its server tries again after 1 s and up to 2 minutes,
    # and every retry meanwhile fails unsent.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


class Exchange(NamedTuple):
    """A call in messages.

    Attributes:
        method: The method's name, a key of `methods`.
        request: What it is sent.
        read: From the response to the answer.
    """

    method: str
    request: Any
    read: Callable[[Any], Any]


def address(host: str, port: int) -> str:
    """Returns the target of a channel; addresses of IPv6 get brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def methods(channel: Any) -> dict[str, Any]:
    """Returns the methods that `exchange` names, of a channel of either kind."""
    prediction, model = PredictionServiceStub(channel), ModelServiceStub(channel)
    return {
        "Predict": prediction.Predict,
        "GetModelMetadata": prediction.GetModelMetadata,
        "GetModelStatus": model.GetModelStatus,
    }


def exchange(call: Call) -> Exchange:
    """Writes a call as messages."""
    spec = _spec(call.target)
    if isinstance(call, PredictCall):
        spec.signature_name = call.signature_name
        inputs = {name: tf.make_tensor_proto(array) for name, array in call.inputs.items()}
        return Exchange("Predict", PredictRequest(model_spec=spec, inputs=inputs), _read_outputs)
    if isinstance(call, MetadataCall):
        request = GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
        return Exchange("GetModelMetadata", request, _read_signatures)
    return Exchange("GetModelStatus", GetModelStatusRequest(model_spec=spec), _read_states)


def to_serving_error(error: Any) -> ServingError:
    """Reads a failed call, of a channel of either kind."""
    return ServingError(error.code() or grpc.StatusCode.UNKNOWN, error.details() or "")


def _spec(target: Target) -> ModelSpec:
    spec = ModelSpec(name=target.model)
    if target.version is not None:
        spec.version.value = target.version
    elif target.label is not None:
        spec.version_label = target.label
    return spec


def _read_outputs(response: PredictResponse) -> Arrays:
    return {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}


def _read_signatures(response: GetModelMetadataResponse) -> Signatures:
    signatures = SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    return to_python(signatures.signature_def)


def _read_states(response: GetModelStatusResponse) -> dict[int, str]:
    return {
        status.version: ModelVersionStatus.State.Name(status.state)
        for status in response.model_version_status
    }
