"""A blocking protocol for coroutines."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aae_tf.serving.client.calls import Call
from aae_tf.serving.client.cancellation import Cancellation
from aae_tf.serving.client.deadline import Deadline
from aae_tf.serving.client.runtime import Transport

_NUM_THREADS = 32


class ThreadedTransport:
    """Lets each request wait in one of 32 threads; more requests than that queue up.

    Args:
        transport: The blocking protocol.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._pool = ThreadPoolExecutor(_NUM_THREADS, "aae-tf-client")

    async def send(self, call: Call, deadline: Deadline) -> Any:
        """Sends one request; see `AsyncTransport`."""
        cancellation = Cancellation()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(
                self._pool, self._transport.send, call, deadline, cancellation
            )
        except asyncio.CancelledError:
            cancellation.cancel()
            raise

    async def close(self) -> None:
        """Closes the connections, and lets the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._transport.close()
