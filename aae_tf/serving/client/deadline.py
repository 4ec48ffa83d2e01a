"""When a call must be over."""

from __future__ import annotations

import time

import grpc

from aae_tf.serving.errors import ServingError

# Sockets and gRPC count nanoseconds in 64 bits.
_LONGEST = 1e9


class Deadline:
    """A moment on the monotonic clock, for everything that one call does.

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
        """Returns the seconds that are left, not above 0 once it has passed."""
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
        """Returns the error of a call that is not over in time."""
        return ServingError(
            grpc.StatusCode.DEADLINE_EXCEEDED, f"No answer within {self.timeout:g} s"
        )
