"""Requests of an event loop that wait for batches, without a thread each."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from aae_tf.serving.batching import BatchingSession
from aae_tf.serving.drift_watch import DriftWatch
from aae_tf.serving.errors import from_op_error
from aae_tf.serving.models.predict import prepare_inputs
from aae_tf.serving.models.servable import Servable
from aae_tf.serving.server_metrics import ServerMetrics

Outputs = dict[str, np.ndarray]


class BatchWaiter:
    """Runs requests of one event loop in batches, and wakes the loop once for many answers.

    Args:
        metrics: Where runs are timed.
    """

    def __init__(self, metrics: ServerMetrics) -> None:
        self._metrics = metrics
        self._answers: deque[tuple[asyncio.Future[Outputs], Outputs | None, Exception | None]]
        self._answers = deque()
        self._woken = False

    async def run(
        self,
        session: BatchingSession,
        servable: Servable,
        signature_name: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str],
        timeout: float | None,
        api: str,
    ) -> Outputs:
        """Runs a signature as part of a batch.

        Args:
            session: What `batching_session` gave for `servable`.
            servable: The model version to run.
            signature_name: One of its signatures.
            inputs: Arrays by name; those with a default in the signature may be left out.
            outputs: Names of the outputs to compute; empty: all.
            timeout: Seconds left for the run; None: no limit.
            api: The name by which metrics time the run.

        Raises:
            ServingError: as `run_signature`, and what batching reports.
        """
        inputs = prepare_inputs(servable, signature_name, inputs, outputs, timeout)
        with self._metrics.runtime(servable.name, api):
            values = await self._wait(session, signature_name, inputs, outputs, timeout)
        if isinstance(servable.runner, DriftWatch):
            servable.runner.look_at(signature_name, values)
        return values

    def _wait(
        self,
        session: BatchingSession,
        signature_name: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str],
        timeout: float | None,
    ) -> asyncio.Future[Outputs]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outputs] = loop.create_future()

        def done(outputs: Outputs | None, error: Exception | None) -> None:
            self._answers.append((future, outputs, error))
            if not self._woken:
                self._woken = True
                self._wake(loop)

        session.submit(signature_name, inputs, tuple(outputs) or None, timeout, done)
        return future

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:
            # The loop has ended, and with it every caller.
            if not loop.is_closed():
                raise

    def _deliver(self) -> None:
        # Reset before the answers are taken: one that comes meanwhile wakes the loop once more.
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


def batching_session(servable: Servable) -> BatchingSession | None:
    """Returns what gathers requests for `servable` into batches; None: each runs alone."""
    runner = servable.runner
    if isinstance(runner, DriftWatch):
        runner = runner.runner
    return runner if isinstance(runner, BatchingSession) else None
