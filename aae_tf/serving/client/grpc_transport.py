"""gRPC for the client: transports for threads and for coroutines, and calls as messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import grpc

from aae_tf.serving.client.calls import Arrays, Call, MetadataCall, PredictCall, Target
from aae_tf.serving.client.limits import Cancellation, Deadline
from aae_tf.serving.client.protocol import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
    ModelSpec,
    PredictRequest,
    PredictResponse,
    SignatureDefMap,
    Signatures,
    describe_signatures,
    read_tensor,
    state_name,
    write_tensor,
)
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
_METHODS = {
    "Predict": ("PredictionService", PredictRequest, PredictResponse),
    "GetModelMetadata": (
        "PredictionService",
        GetModelMetadataRequest,
        GetModelMetadataResponse,
    ),
    "GetModelStatus": ("ModelService", GetModelStatusRequest, GetModelStatusResponse),
}


class GrpcTransport:
    """Sends requests over one gRPC channel, shared by threads.

    Args:
        host: The server's address.
        port: The server's gRPC port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._channel = grpc.insecure_channel(address(host, port), options=CHANNEL_OPTIONS)
        self._methods = methods(self._channel)

    def send(self, call: Call, deadline: Deadline, cancellation: Cancellation | None = None) -> Any:
        """Sends one request; see `Transport`."""
        name, request, read = to_rpc(call)
        try:
            response = self._invoke(self._methods[name], request, deadline, cancellation)
        except grpc.RpcError as error:
            raise to_serving_error(error) from error
        return read(response)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def _invoke(
        self, method: Any, request: Any, deadline: Deadline, cancellation: Cancellation | None
    ) -> Any:
        if cancellation is None:  # which is faster than a future
            return method(request, timeout=deadline.remaining())
        cancellation.check()
        future = method.future(request, timeout=deadline.remaining())
        with cancellation.aborting(future.cancel):
            return future.result()


class AsyncGrpcTransport:
    """Sends requests over one channel of `grpc.aio`.

    Args:
        host: The server's address.
        port: The server's gRPC port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._address = address(host, port)
        self._channel: Any = None
        self._methods: dict[str, Any] = {}

    async def send(self, call: Call, deadline: Deadline) -> Any:
        """Sends one request; see `AsyncTransport`."""
        if self._channel is None:
            # Opened here, since a channel belongs to the event loop that runs when it is opened.
            self._channel = grpc.aio.insecure_channel(self._address, options=CHANNEL_OPTIONS)
            self._methods = methods(self._channel)
        name, request, read = to_rpc(call)
        try:
            response = await self._methods[name](request, timeout=deadline.remaining())
        except grpc.aio.AioRpcError as error:
            raise to_serving_error(error) from error
        return read(response)

    async def close(self) -> None:
        """Closes the channel."""
        if self._channel is not None:
            await self._channel.close()


class Rpc(NamedTuple):
    """A call in messages.

    Attributes:
        method: The method's name, a key of `methods`.
        request: The request message.
        read: Makes the answer from the response message.
    """

    method: str
    request: Any
    read: Callable[[Any], Any]


def address(host: str, port: int) -> str:
    """Returns the target of a channel; addresses of IPv6 get brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def methods(channel: Any) -> dict[str, Any]:
    """Returns the methods that `to_rpc` names, of a channel of either kind."""
    return {
        name: channel.unary_unary(
            f"/tensorflow.serving.{service}/{name}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        for name, (service, request, response) in _METHODS.items()
    }


def to_rpc(call: Call) -> Rpc:
    """Writes a call as messages."""
    spec = _spec(call.target)
    if isinstance(call, PredictCall):
        spec.signature_name = call.signature_name
        inputs = {name: write_tensor(array) for name, array in call.inputs.items()}
        return Rpc("Predict", PredictRequest(model_spec=spec, inputs=inputs), _read_outputs)
    if isinstance(call, MetadataCall):
        request = GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
        return Rpc("GetModelMetadata", request, _read_signatures)
    return Rpc("GetModelStatus", GetModelStatusRequest(model_spec=spec), _read_states)


def to_serving_error(error: Any) -> ServingError:
    """Reads a failed call, of a channel of either kind.

    A Python server that stops answers the calls that arrive meanwhile with CANCELLED, in that very
    word (gRPC issue 41785); who cancels a call here gets another text.
    """
    if error.code() is grpc.StatusCode.CANCELLED and error.details() == "CANCELLED":
        return ServingError(grpc.StatusCode.UNAVAILABLE, "The server stops")
    return ServingError(error.code() or grpc.StatusCode.UNKNOWN, error.details() or "")


def _spec(target: Target) -> Any:
    spec = ModelSpec(name=target.model)
    if target.version is not None:
        spec.version.value = target.version
    elif target.label is not None:
        spec.version_label = target.label
    return spec


def _read_outputs(response: Any) -> Arrays:
    return {name: read_tensor(proto) for name, proto in response.outputs.items()}


def _read_signatures(response: Any) -> Signatures:
    signatures = SignatureDefMap.FromString(response.metadata["signature_def"].value)
    return describe_signatures(signatures.signature_def)


def _read_states(response: Any) -> dict[int, str]:
    return {status.version: state_name(status.state) for status in response.model_version_status}
