"""Limits of a call: its deadline, its cancellation, and how often it is retried."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
import numpy as np

from aae_tf.checks import check_integer, check_non_negative
from aae_tf.serving.errors import ServingError

# Sockets and gRPC count nanoseconds in 64 bits.
_LONGEST = 1e9


class Deadline:
    """The moment, on the monotonic clock, by which everything that one call does must be over.

    Args:
        timeout: Seconds from now, above 0 and at most 1e9.

    Raises:
        ValueError: `timeout` is out of that range.

    Example:

        >>> 59 < Deadline(60.0).remaining() <= 60
        True
    """

    def __init__(self, timeout: float) -> None:
        if not 0 < timeout <= _LONGEST:
            raise ValueError(
                "Expected `timeout` to be above 0 and at most 1e9 seconds. "
                f"Received: timeout={timeout}."
            )
        self.timeout = timeout
        self._end = time.monotonic() + timeout

    def left(self) -> float:
        """Returns the seconds that are left; zero or less once the deadline has passed."""
        return self._end - time.monotonic()

    def remaining(self) -> float:
        """Returns the seconds that are left, above 0.

        Raises:
            ServingError: DEADLINE_EXCEEDED once it has passed.
        """
        seconds = self.left()
        if seconds <= 0:
            raise self.exceeded()
        return seconds

    def exceeded(self) -> ServingError:
        """Returns the error of a call that missed its deadline."""
        return ServingError(
            grpc.StatusCode.DEADLINE_EXCEEDED, f"No answer within {self.timeout:g} s"
        )


class Cancellation:
    """Cancels a call that other threads work on: its requests, its pauses, and its next steps.

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
        """Whether the call was cancelled."""
        return self._event.is_set()

    def cancel(self) -> None:
        """Cancels the call; from here on nothing starts."""
        # Under the lock: a connection may be another call's once the block is left.
        with self._lock:
            self._event.set()
            for abort in self._aborts.values():
                abort()

    def pause(self, seconds: float) -> None:
        """Waits for `seconds`, or until the call is cancelled if that is sooner."""
        self._event.wait(seconds)

    def check(self) -> None:
        """Returns unless the call was cancelled.

        Raises:
            ServingError: CANCELLED if it was.
        """
        if self._event.is_set():
            raise ServingError(grpc.StatusCode.CANCELLED, "The call was given up")

    @contextmanager
    def aborting(self, abort: Callable[[], object]) -> Iterator[None]:
        """Calls `abort` if the call is cancelled within the block.

        Args:
            abort: Ends what the block waits for, at once; called from another thread.

        Raises:
            ServingError: CANCELLED if it was cancelled before.
        """
        with self._lock:
            self.check()
            self._aborts[id(abort)] = abort
        try:
            yield
        finally:
            with self._lock:
                del self._aborts[id(abort)]


class Retries:
    """Exponential backoff with jitter, for requests that a server was not there to answer.

    Pause k, from 0, lasts min(max_delay, initial_delay * 2^k) * u seconds, with u uniform on
    [0.5, 1): clients that fail together do not come back together, and none comes back at once.

    Args:
        max_retries: Times that a request is sent again, at least 0; 0 turns retries off.
            Defaults to 3.
        initial_delay: Longest first pause in seconds, at least 0. Defaults to 0.1.
        max_delay: Longest pause in seconds, at least 0. Defaults to 2.
        generator: Draws u. Defaults to one that the operating system seeds, as a seed that
            clients share would defeat the jitter.

    Raises:
        TypeError: `max_retries` is no integer.
        ValueError: a number is negative or not finite.

    Example:

        >>> import numpy as np
        >>> retries = Retries(initial_delay=1.0, generator=np.random.default_rng(0))
        >>> [round(delay, 2) for delay in retries.delays()]
        [0.82, 1.27, 1.04]
    """

    def __init__(
        self,
        max_retries: int = 3,
        initial_delay: float = 0.1,
        max_delay: float = 2.0,
        generator: np.random.Generator | None = None,
    ) -> None:
        self.max_retries = check_integer("max_retries", max_retries)
        self.initial_delay = check_non_negative("initial_delay", initial_delay)
        self.max_delay = check_non_negative("max_delay", max_delay)
        self.generator = np.random.default_rng() if generator is None else generator

    def delays(self) -> Iterator[float]:
        """Yields the pause before each retry, in seconds."""
        delay = self.initial_delay
        for _ in range(self.max_retries):
            delay = min(delay, self.max_delay)
            yield delay * self.generator.uniform(0.5, 1.0)
            delay *= 2
