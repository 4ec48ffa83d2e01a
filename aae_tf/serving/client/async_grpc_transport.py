"""The client's side of gRPC, for coroutines."""

from __future__ import annotations

from typing import Any

import grpc

from aae_tf.serving.client.calls import Call
from aae_tf.serving.client.deadline import Deadline
from aae_tf.serving.client.grpc_messages import (
    CHANNEL_OPTIONS,
    address,
    exchange,
    methods,
    to_serving_error,
)


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
            # Not in the constructor: a channel belongs to the event loop that runs just now.
            self._channel = grpc.aio.insecure_channel(self._address, options=CHANNEL_OPTIONS)
            self._methods = methods(self._channel)
        name, request, read = exchange(call)
        try:
            response = await self._methods[name](request, timeout=deadline.remaining())
        except grpc.aio.AioRpcError as error:
            raise to_serving_error(error) from error
        return read(response)

    async def close(self) -> None:
        """Closes the channel."""
        if self._channel is not None:
            await self._channel.close()
