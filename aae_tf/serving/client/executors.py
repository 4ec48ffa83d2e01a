"""Execution of requests in threads that wait, or in coroutines."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any, Protocol, TypeAlias

from aae_tf.serving.client.calls import Call
from aae_tf.serving.client.limits import Cancellation, Deadline

Job: TypeAlias = Callable[[], Coroutine[Any, Any, Any]]

_NUM_THREADS = 32
_CANCELLATION: contextvars.ContextVar[Cancellation | None] = contextvars.ContextVar(
    "cancellation", default=None
)


class Executor(Protocol):
    """Sends requests, pauses, and runs several jobs at once, for `Dispatcher`."""

    async def send(self, call: Call, deadline: Deadline) -> Any:
        """Sends one request and returns its answer."""

    async def sleep(self, seconds: float) -> None:
        """Waits."""

    async def gather(self, jobs: Sequence[Job]) -> list[Any]:
        """Runs jobs, a bounded number at a time, and returns their results in order.

        The first failure cancels the other jobs and is raised.
        """


class Transport(Protocol):
    """One protocol, for threads that wait."""

    def send(self, call: Call, deadline: Deadline, cancellation: Cancellation | None = None) -> Any:
        """Sends one request; `cancellation` ends it early."""

    def close(self) -> None:
        """Closes the connections."""


class AsyncTransport(Protocol):
    """One protocol, for coroutines; cancelling the coroutine ends the request."""

    async def send(self, call: Call, deadline: Deadline) -> Any:
        """Sends one request."""

    async def close(self) -> None:
        """Closes the connections."""


def run_blocking(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine of a `ThreadExecutor`, which never suspends, as a function.

    Args:
        coroutine: One that waits, if at all, by blocking the thread.

    Returns:
        Its result.
    """
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value
    coroutine.close()
    raise RuntimeError(f"Expected a coroutine that never suspends. Received: {coroutine!r}.")


class ThreadExecutor:
    """Sends in the caller's thread, and runs several jobs in threads of its own.

    Args:
        transport: The protocol.
        max_in_flight: Threads.
    """

    def __init__(self, transport: Transport, max_in_flight: int) -> None:
        self._transport = transport
        # Threads start when they are first needed.
        self._pool = ThreadPoolExecutor(max_in_flight, "aae-tf-client")

    async def send(self, call: Call, deadline: Deadline) -> Any:
        """Sends one request; see `Executor`."""
        return self._transport.send(call, deadline, _CANCELLATION.get())

    async def sleep(self, seconds: float) -> None:
        """Waits; see `Executor`."""
        cancellation = _CANCELLATION.get()
        if cancellation is None:
            time.sleep(seconds)
        else:
            cancellation.pause(seconds)

    async def gather(self, jobs: Sequence[Job]) -> list[Any]:
        """Runs jobs in threads; see `Executor`."""
        cancellation = Cancellation()
        failures: list[Exception] = []

        def run(job: Job) -> Any:
            token = _CANCELLATION.set(cancellation)
            try:
                return run_blocking(job())
            except Exception as error:
                failures.append(error)
                # Cancelled here, since this thread goes on with the next job at once.
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


class AsyncioExecutor:
    """Sends in coroutines, without blocking the event loop.

    Args:
        transport: The protocol.
        max_in_flight: Jobs that `gather` runs at a time, over all its calls.
    """

    def __init__(self, transport: AsyncTransport, max_in_flight: int) -> None:
        self._transport = transport
        self._slots = asyncio.Semaphore(max_in_flight)

    async def send(self, call: Call, deadline: Deadline) -> Any:
        """Sends one request; see `Executor`."""
        return await self._transport.send(call, deadline)

    async def sleep(self, seconds: float) -> None:
        """Waits; see `Executor`."""
        await asyncio.sleep(seconds)

    async def gather(self, jobs: Sequence[Job]) -> list[Any]:
        """Runs jobs as tasks; see `Executor`."""
        failures: list[Exception] = []

        async def run(job: Job) -> Any:
            async with self._slots:
                if failures:  # of the job that has just ended
                    return None
                try:
                    return await job()
                except Exception as error:
                    failures.append(error)
                    raise

        tasks = [asyncio.ensure_future(run(job)) for job in jobs]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        if failures:
            raise failures[0]
        return results

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.close()


class ThreadedTransport:
    """Makes a blocking transport one for coroutines: each request waits in one of 32 threads.

    More requests than that queue up.

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
