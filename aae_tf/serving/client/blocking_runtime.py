"""The conversation in threads that wait."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

from aae_tf.serving.client.calls import Call
from aae_tf.serving.client.cancellation import Cancellation
from aae_tf.serving.client.deadline import Deadline
from aae_tf.serving.client.runtime import Job, Transport

_CANCELLATION: contextvars.ContextVar[Cancellation | None] = contextvars.ContextVar(
    "cancellation", default=None
)


def run_blocking(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine that never suspends, as every one on a `BlockingRuntime` is.

    Args:
        coroutine: What waits, if at all, by blocking the thread.

    Returns:
        Its result.
    """
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value
    coroutine.close()
    raise RuntimeError(f"Expected a coroutine that never suspends. Received: {coroutine!r}.")


class BlockingRuntime:
    """Sends in the caller's thread; several things at once get threads of their own.

    Args:
        transport: The protocol.
        max_in_flight: Threads.
    """

    def __init__(self, transport: Transport, max_in_flight: int) -> None:
        self._transport = transport
        # Threads start when they are first needed.
        self._pool = ThreadPoolExecutor(max_in_flight, "aae-tf-client")

    async def send(self, call: Call, deadline: Deadline) -> Any:
        """Sends one request; see `Runtime`."""
        return self._transport.send(call, deadline, _CANCELLATION.get())

    async def sleep(self, seconds: float) -> None:
        """Waits; see `Runtime`."""
        cancellation = _CANCELLATION.get()
        if cancellation is None:
            time.sleep(seconds)
        else:
            cancellation.pause(seconds)

    async def gather(self, jobs: Sequence[Job]) -> list[Any]:
        """Runs jobs in threads; see `Runtime`."""
        cancellation = Cancellation()
        failures: list[Exception] = []

        def run(job: Job) -> Any:
            token = _CANCELLATION.set(cancellation)
            try:
                return run_blocking(job())
            except Exception as error:
                failures.append(error)
                # Here already, as this thread turns to the next job.
                cancellation.cancel()
                raise
            finally:
                _CANCELLATION.reset(token)

        futures = [self._pool.submit(run, job) for job in jobs]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
            if failures:
                raise failures[0]
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()
            cancellation.cancel()

    def close(self) -> None:
        """Closes the connections, and lets the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._transport.close()
