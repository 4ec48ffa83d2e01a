"""Batches of one signature that wait for a thread."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

import grpc
import numpy as np

from aae_tf.export.batching_parameters import BatchingParameters
from aae_tf.serving.batching.batch import Batch, Request, call
from aae_tf.serving.batching.batch_arrays import check_outputs, merge_inputs
from aae_tf.serving.errors import ServingError

# Runs merged inputs within a timeout in seconds, None for no limit.
Run = Callable[[Mapping[str, np.ndarray], float | None], dict[str, np.ndarray]]


class BatchReport(NamedTuple):
    """A batch that ran, for metrics.

    Attributes:
        signature_name: The signature that ran.
        request_rows: Rows of each request, in the order of the batch.
        waits: How long each request waited in the queue, seconds, in the same order.
        padding: Copies of a row that were added to reach an allowed size.
        run_seconds: How long merging and running took.
        error: What the requests got instead of outputs; None where the batch ran well.

    Example:

        >>> report = BatchReport("encode", (1, 2), (0.002, 0.001), 1, 0.004, None)
        >>> report.processed_rows
        4
    """

    signature_name: str
    request_rows: tuple[int, ...]
    waits: tuple[float, ...]
    padding: int
    run_seconds: float
    error: Exception | None

    @property
    def processed_rows(self) -> int:
        """Rows that the model saw."""
        return sum(self.request_rows) + self.padding


class BatchQueue:
    """Gathers requests for one signature and one selection of its outputs into batches.

    Only the last batch is open. It closes when it is full or when a request does not fit; it may
    run once it is closed or its first request has waited `batch_timeout_micros`. A request with
    no rows gets a batch of its own, which runs unpadded: there is no row to copy, and the shape
    of its nothing need not fit that of others' rows.

    Not safe for threads by itself: `add` and `flush` are for `BatchThreadPool`, under its lock;
    `run` touches only the batch it is given.

    Args:
        signature_name: For reports.
        run: Runs the signature.
        parameters: Sizes, timeout and padding.
        observe: Called after each batch, by the thread that ran it.

    Attributes:
        batches: Those that wait, the oldest first.
        unfinished: Number of batches that wait or run.
        closed: Whether the queue takes no more requests.
    """

    def __init__(
        self,
        signature_name: str,
        run: Run,
        parameters: BatchingParameters,
        observe: Callable[[BatchReport], None] | None = None,
    ) -> None:
        self.signature_name = signature_name
        self.batches: deque[Batch] = deque()
        self.unfinished = 0
        self.closed = False
        self._run = run
        self._parameters = parameters
        self._observe = observe
        self._wait = parameters.batch_timeout_micros / 1e6
        self._largest = parameters.largest_batch

    def add(self, request: Request) -> bool:
        """Puts `request` into the open batch, a new one, or several.

        Returns:
            Whether a thread should look at this queue again.

        Raises:
            ServingError: UNAVAILABLE where `max_enqueued_batches` leaves no room.
        """
        space = self.batches[-1].space if self.batches else 0
        if 0 < request.rows <= space:
            self.batches[-1].add(request)
            return request.rows == space
        sizes = self._part_sizes(request.rows, space)
        joins = request.rows > 0 and sizes[0] <= space
        self._check_room(len(sizes) - joins)
        parts = [request] if len(sizes) == 1 else request.split(sizes)
        if joins:
            self.batches[-1].add(parts.pop(0))
        for part in parts:
            self._open(request.enqueued).add(part)
        if request.rows == 0:
            self.flush()
        return True

    def flush(self) -> None:
        """Lets the open batch run now."""
        if self.batches:
            self.batches[-1].close()

    def run(self, batch: Batch, now: float) -> Callable[[], None]:
        """Runs `batch`.

        Args:
            batch: Requests of this queue, at least one, none of them expired.
            now: The time of `time.monotonic`.

        Returns:
            What gives each request its outputs or the error, then tells the observer.
        """
        requests = tuple(batch.requests)
        rows = sum(request.rows for request in requests)
        padding = self._parameters.padded_size(rows) - rows if rows else 0
        latest = max(request.deadline for request in requests)
        outputs: dict[str, np.ndarray] = {}
        failure: Exception | None = None
        try:
            inputs = merge_inputs(
                [request.inputs for request in requests],
                padding,
                self._parameters.pad_variable_length_inputs,
            )
            outputs = self._run(inputs, None if latest == math.inf else latest - now)
            check_outputs(outputs, rows + padding)
        except Exception as error:  # callers wait for it, whatever it is
            failure = error
        run_seconds = time.monotonic() - now

        def finish() -> None:
            batch.answer(outputs, failure)
            if self._observe is None:
                return
            report = BatchReport(
                signature_name=self.signature_name,
                request_rows=tuple(request.rows for request in requests),
                waits=tuple(now - request.enqueued for request in requests),
                padding=padding,
                run_seconds=run_seconds,
                error=failure,
            )
            call(self._observe, report)

        return finish

    def _part_sizes(self, rows: int, space: int) -> list[int]:
        if not self._parameters.enable_large_batch_splitting or rows == 0:
            return [rows]
        count, rest = divmod(rows - space, self._largest)
        return [space] * (space > 0) + [self._largest] * count + [rest] * (rest > 0)

    def _check_room(self, needed: int) -> None:
        waiting, most = len(self.batches), self._parameters.max_enqueued_batches
        if waiting + needed > most:
            raise ServingError(
                grpc.StatusCode.UNAVAILABLE,
                "The batch scheduling queue to which this task was submitted is full; "
                f"{waiting} batches wait, the task needs {needed} more, and "
                f"max_enqueued_batches is {most}.",
            )

    def _open(self, now: float) -> Batch:
        self.flush()
        batch = Batch(self, self._largest, now + self._wait)
        self.batches.append(batch)
        self.unfinished += 1
        return batch
