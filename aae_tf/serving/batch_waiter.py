"""Waits for batches in an event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from aae_tf.serving.batching import BatchingSession
from aae_tf.serving.errors import from_op_error

Outputs = dict[str, np.ndarray]


class BatchWaiter:
    """Hands the answers of batch threads to an event loop, which is woken once per batch.

    To be made in the loop's thread.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._answers: deque[tuple[asyncio.Future[Outputs], Outputs | None, Exception | None]]
        self._answers = deque()
        self._woken = False

    async def run(
        self,
        session: BatchingSession,
        signature_name: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str] | None,
        timeout: float | None,
    ) -> Outputs:
        """Runs a signature as part of a batch; see `BatchingSession.run`.

        Raises:
            ServingError: what batching or the runtime reports.
        """
        future: asyncio.Future[Outputs] = self._loop.create_future()

        def done(outputs: Outputs | None, error: Exception | None) -> None:
            self._answers.append((future, outputs, error))
            if not self._woken:
                self._woken = True
                self._wake()

        session.submit(signature_name, inputs, outputs, timeout, done)
        return await future

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:
            # The loop ended first, and with it whoever waited.
            if not self._loop.is_closed():
                raise

    def _deliver(self) -> None:
        # Before the answers are taken: one that comes meanwhile wakes the loop once more.
        self._woken = False
        while self._answers:
            future, outputs, error = self._answers.popleft()
            if future.done():  # its client has gone
                continue
            if isinstance(error, tf.errors.OpError):
                error = from_op_error(error)
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(outputs or {})
