"""Requests that run together."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from aae_tf.serving.batching.batch_arrays import split_outputs
from aae_tf.serving.batching.request import Request

_LOGGER = logging.getLogger("aae_tf.serving")


class Batch:
    """Requests that will run together, or do.

    Args:
        queue: The `BatchQueue` that opened it, and runs it.
        space: Rows that it can take.
        ready_at: When it may run, full or not, in seconds of `time.monotonic`.

    Attributes:
        requests: In the order they came.
        space: Rows that it can still take; 0 once it is closed.
        deadline: The earliest deadline of the requests that have not expired.
    """

    __slots__ = ("deadline", "queue", "ready_at", "requests", "space")

    def __init__(self, queue: Any, space: int, ready_at: float) -> None:
        self.queue = queue
        self.space = space
        self.ready_at = ready_at
        self.requests: list[Request] = []
        self.deadline = math.inf

    def add(self, request: Request) -> None:
        """Takes `request`, which fits."""
        self.requests.append(request)
        self.deadline = min(self.deadline, request.deadline)
        self.space -= request.rows
        if self.space == 0:
            self.close()

    def close(self) -> None:
        """Takes no more, and may run at once."""
        self.space = 0
        self.ready_at = 0.0

    def expire(self, now: float) -> list[Request]:
        """Marks the requests whose deadline has come, and returns them."""
        if now < self.deadline:
            return []
        alive = [request for request in self.requests if not request.expired]
        expired = [request for request in alive if request.deadline <= now]
        for request in expired:
            request.expired = True
        self.deadline = min((r.deadline for r in alive if not r.expired), default=math.inf)
        return expired

    def answer(self, outputs: dict[str, np.ndarray], error: Exception | None) -> None:
        """Gives each request that has not expired its rows of `outputs`, or `error`."""
        if error is not None:
            for request in self.requests:
                if not request.expired:
                    call(request.done, None, error)
            return
        parts = split_outputs(outputs, [request.rows for request in self.requests])
        for request, part in zip(self.requests, parts, strict=True):
            if not request.expired:
                call(request.done, part, None)


def call(function: Callable[..., None], *arguments: Any) -> None:
    """Calls a caller's function; what it raises is logged, for other callers wait as well."""
    try:
        function(*arguments)
    except Exception:
        _LOGGER.exception("A callback of batching failed")
