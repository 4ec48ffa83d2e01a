"""The client's side of gRPC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from aae_tf.serving.errors import ServingError


class GrpcTransport:
    """Sends requests over one gRPC channel.

    Args:
        host: The server's address.
        port: The server's gRPC port.
        timeout: Seconds that a request may take.
    """

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self._timeout = timeout
        self._channel = grpc.insecure_channel(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            # The default limit of 4 MiB on answers is 1,300 images of 28 x 28.
            options=[
                ("grpc.max_send_message_length", -1),
                ("grpc.max_receive_message_length", -1),
            ],
        )
        self._predict = PredictionServiceStub(self._channel).Predict
        self._status = ModelServiceStub(self._channel).GetModelStatus

    def predict(
        self,
        model: str,
        inputs: Mapping[str, np.ndarray],
        signature_name: str,
        version: int | None,
    ) -> dict[str, np.ndarray]:
        """Runs a signature; see `Client.predict`."""
        request = PredictRequest()
        request.model_spec.name = model
        request.model_spec.signature_name = signature_name
        if version is not None:
            request.model_spec.version.value = version
        for name, array in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
        response = self._call(self._predict, request)
        return {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}

    def status(self, model: str) -> dict[int, str]:
        """Returns the state of each version of a model; see `Client.status`."""
        request = GetModelStatusRequest()
        request.model_spec.name = model
        response = self._call(self._status, request)
        return {
            status.version: ModelVersionStatus.State.Name(status.state)
            for status in response.model_version_status
        }

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def _call(self, method: Any, request: Any) -> Any:
        try:
            return method(request, timeout=self._timeout)
        except grpc.RpcError as error:
            raise ServingError(error.code(), error.details()) from error
