"""One caller's rows on their way through a queue."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np

Arrays = Mapping[str, np.ndarray]
# Called once per request with its outputs and None, or with None and the error.
Done = Callable[[dict[str, np.ndarray] | None, Exception | None], None]


@dataclasses.dataclass(slots=True, eq=False)
class Request:
    """Rows that wait to run, and whom to tell.

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
