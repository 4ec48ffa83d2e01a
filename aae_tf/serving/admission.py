"""What a server takes on at once, and the threads that work on it; nothing once it stops."""

from __future__ import annotations

import asyncio
import ctypes
import functools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import grpc

from aae_tf.serving.errors import ServingError

# Bytes of a body, or of inputs and outputs together, from which a request is large: to read and
# to write it takes Python's interpreter longer than other requests should wait for.
LARGE = 2**18
# The same, up to which a REST request is read and written in the event loop itself: another
# thread would take longer to wake up than to do it.
SMALL = 2**14
# Python runs one thread at a time, and each thread that does not pause delays all others.
_LARGE_AT_ONCE = 2

_T = TypeVar("_T")


class Admission:
    """Counts the requests that are under way, and refuses those beyond a limit at once.

    A request that waits in memory costs memory: a server without a limit ends with its machine's.

    Args:
        max_requests: Requests of both protocols that may be under way.
        max_bytes: Bytes that their bodies may have together. A request is never refused for its
            own size alone.

    Example:

        >>> admission = Admission(max_requests=1, max_bytes=100)
        >>> with admission.request(10):
        ...     with admission.request(10):
        ...         pass
        Traceback (most recent call last):
        ...
        aae_tf.serving.errors.ServingError: UNAVAILABLE: Too many requests are under way: 1
    """

    def __init__(self, max_requests: int, max_bytes: int) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._requests = 0
        self._bytes = 0
        self._draining = False
        self._changed = threading.Condition()

    @contextmanager
    def request(self, size: int) -> Iterator[None]:
        """Counts a request of `size` bytes as under way within the block.

        Raises:
            ServingError: UNAVAILABLE, before the block, if there are too many, or the server stops.
        """
        with self._changed:
            if self._draining:
                raise ServingError(grpc.StatusCode.UNAVAILABLE, "The server stops")
            if self._requests >= self._max_requests:
                raise ServingError(
                    grpc.StatusCode.UNAVAILABLE,
                    f"Too many requests are under way: {self._requests}",
                )
            if self._requests and self._bytes + size > self._max_bytes:
                raise ServingError(
                    grpc.StatusCode.UNAVAILABLE,
                    f"Requests of too many bytes are under way: {self._bytes}",
                )
            self._requests += 1
            self._bytes += size
        try:
            yield
        finally:
            with self._changed:
                self._requests -= 1
                self._bytes -= size
                self._changed.notify_all()

    @property
    def draining(self) -> bool:
        """Whether every request is refused, because the server stops."""
        return self._draining

    def drain(self, timeout: float) -> bool:
        """Refuses every further request, and waits for those that are under way.

        Returns:
            Whether all were answered within `timeout` seconds.
        """
        end = time.monotonic() + timeout
        with self._changed:
            self._draining = True
            return self._changed.wait_for(lambda: not self._requests, end - time.monotonic())


class RunningTasks:
    """The tasks of an event loop that answer requests, so that a stop can cut them off.

    For the thread of that loop.

    Attributes:
        cut_off: Whether they were.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self.cut_off = False

    @contextmanager
    def current(self) -> Iterator[None]:
        """Counts the current task within the block.

        Raises:
            ServingError: UNAVAILABLE, out of the block, if it was cut off.
        """
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if not self.cut_off:
                raise
            raise ServingError(
                grpc.StatusCode.UNAVAILABLE, "The server stops, and the request took too long"
            ) from None
        finally:
            if task is not None:
                self._tasks.discard(task)

    def cut(self) -> None:
        """Cancels them; each then answers that the server stops."""
        self.cut_off = True
        for task in self._tasks:
            task.cancel()


class LargeRequest(Exception):
    """A request turned out to be large in a thread for small ones, before anything was made."""


class Workers:
    """Runs the blocking parts of requests in threads; the large ones of all clients take turns.

    Args:
        num_threads: Small requests that may run at once.

    Example:

        >>> workers = Workers(num_threads=1)
        >>> asyncio.run(workers.run(lambda large: "large" if large else "small", size=10))
        'small'
        >>> workers.close()
    """

    def __init__(self, num_threads: int) -> None:
        self._small = ThreadPoolExecutor(num_threads, thread_name_prefix="small-requests")
        self._large = ThreadPoolExecutor(_LARGE_AT_ONCE, thread_name_prefix="large-requests")

    async def run(self, function: Callable[[bool], _T], size: int) -> _T:
        """Runs `function` in a thread for small requests or, of `LARGE` size, for large ones.

        Args:
            function: Called with whether its thread is one for large requests. In another it may
                raise `LargeRequest` before it has any effect, and is then called again.
            size: Bytes that are known beforehand, such as those of the body.
        """
        loop = asyncio.get_running_loop()
        if size < LARGE:
            try:
                return await loop.run_in_executor(self._small, function, False)
            except LargeRequest:
                pass
        return await loop.run_in_executor(self._large, _run_large, function)

    def close(self) -> None:
        """Takes no more; what runs goes on, what waits is dropped."""
        for executor in (self._small, self._large):
            executor.shutdown(wait=False, cancel_futures=True)


def _run_large(function: Callable[[bool], Any]) -> Any:
    try:
        return function(True)
    finally:
        trim = _malloc_trim()
        if trim is not None:
            trim(0)


@functools.cache
def _malloc_trim() -> Callable[[int], int] | None:
    """Returns what gives freed memory back to the system, where the C library has it."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
