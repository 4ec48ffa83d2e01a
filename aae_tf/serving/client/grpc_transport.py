"""The client's side of gRPC, for threads."""

from __future__ import annotations

from typing import Any

import grpc

from aae_tf.serving.client.calls import Call
from aae_tf.serving.client.cancellation import Cancellation
from aae_tf.serving.client.deadline import Deadline
from aae_tf.serving.client.grpc_messages import (
    CHANNEL_OPTIONS,
    address,
    exchange,
    methods,
    to_serving_error,
)


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
        name, request, read = exchange(call)
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
