"""Requests in a queue, and batches of them that run together."""

from __future__ import annotations

import dataclasses
import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from aae_tf.serving.batching.batch_arrays import split_outputs

_LOGGER = logging.getLogger("aae_tf.serving")

Arrays = Mapping[str, np.ndarray]
# Called once per request with its outputs and None, or with None and the error.
Done = Callable[[dict[str, np.ndarray] | None, Exception | None], None]


@dataclasses.dataclass(slots=True, eq=False)
class Request:
    """The rows of one request, and the callback that takes their outputs.

    Args:
        inputs: Arrays by input name, all with `rows` rows.
        rows: Size of dimension 0, >= 0.
        enqueued: When the request came, in seconds of `time.monotonic`.
        deadline: When its caller stops waiting, likewise; infinity for never.
        done: What gets the outputs or the error.

    Attributes:
        expired: Whether the deadline passed first, so that `done` has had its error.
    """

    inputs: Arrays
    rows: int
    enqueued: float
    deadline: float
    done: Done
    expired: bool = False

    def split(self, sizes: Sequence[int]) -> list[Request]:
        """Returns requests of `sizes` rows whose outputs, joined again, answer this one.

        Args:
            sizes: Rows of each part, >= 1; they add up to `rows`.
        """
        join = _Join(len(sizes), self.done)
        parts, start = [], 0
        for index, size in enumerate(sizes):
            inputs = {name: array[start : start + size] for name, array in self.inputs.items()}
            done = join.receiver(index)
            parts.append(Request(inputs, size, self.enqueued, self.deadline, done))
            start += size
        return parts


class _Join:
    """Calls `done` once: with the outputs of all parts, or with the first error."""

    def __init__(self, count: int, done: Done) -> None:
        self._lock = threading.Lock()
        self._parts: list[dict[str, np.ndarray]] = [{}] * count
        self._missing = count
        self._done = done

    def receiver(self, index: int) -> Done:
        def receive(outputs: dict[str, np.ndarray] | None, error: Exception | None) -> None:
            with self._lock:
                if self._missing == 0:  # another part has failed
                    return
                self._missing = 0 if outputs is None else self._missing - 1
                if outputs is not None:
                    self._parts[index] = outputs
                if self._missing:
                    return
            self._done(None if error else self._joined(), error)

        return receive

    def _joined(self) -> dict[str, np.ndarray]:
        return {
            name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]
        }


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
