"""A call that is given up, told to whatever works on it in other threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc

from aae_tf.serving.errors import ServingError


class Cancellation:
    """Reaches requests in flight, pauses, and requests that have not started.

    Example:

        >>> cancellation = Cancellation()
        >>> with cancellation.aborting(lambda: print("aborted")):
        ...     cancellation.cancel()
        aborted
        >>> with cancellation.aborting(lambda: print("never")):
        ...     pass
        Traceback (most recent call last):
        ...
        aae_tf.serving.errors.ServingError: CANCELLED: The call was given up
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._event = threading.Event()
        self._aborts: dict[int, Callable[[], object]] = {}

    @property
    def cancelled(self) -> bool:
        """Whether the call was given up."""
        return self._event.is_set()

    def cancel(self) -> None:
        """Gives the call up; from here on nothing starts."""
        # Under the lock: what a block waited for may be somebody else's once it is left.
        with self._lock:
            self._event.set()
            for abort in self._aborts.values():
                abort()

    def pause(self, seconds: float) -> None:
        """Waits; until the call is given up, if that is sooner."""
        self._event.wait(seconds)

    def check(self) -> None:
        """Returns, unless the call was given up.

        Raises:
            ServingError: CANCELLED if it was.
        """
        if self._event.is_set():
            raise ServingError(grpc.StatusCode.CANCELLED, "The call was given up")

    @contextmanager
    def aborting(self, abort: Callable[[], object]) -> Iterator[None]:
        """Has `abort` called if the call is given up within the block.

        Args:
            abort: Ends what the block waits for, at once; called from another thread.

        Raises:
            ServingError: CANCELLED if it was given up before.
        """
        with self._lock:
            self.check()
            self._aborts[id(abort)] = abort
        try:
            yield
        finally:
            with self._lock:
                del self._aborts[id(abort)]
