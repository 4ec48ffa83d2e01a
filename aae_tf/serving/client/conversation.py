"""What a client says to a server, whoever waits for the answer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import grpc

from aae_tf.serving.client.calls import (
    Arrays,
    Call,
    MetadataCall,
    PredictCall,
    StatusCall,
    Target,
    make_target,
)
from aae_tf.serving.client.chunks import Chunk, default_batch_size, join, split
from aae_tf.serving.client.deadline import Deadline
from aae_tf.serving.client.questions import Question
from aae_tf.serving.client.retries import Retries
from aae_tf.serving.client.runtime import Runtime
from aae_tf.serving.errors import ServingError

_POLL_INTERVAL = 0.1
# A server that accepts connections and then hangs must not use up all the time for polls.
_POLL_TIMEOUT = 5.0
# What a server that is starting answers, or what its absence does.
_NOT_YET = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)


class Conversation:
    """Deadlines, retries and batches, once for both clients and both protocols.

    Written as coroutines, which wait by `runtime` alone: on a `BlockingRuntime` they never
    suspend, and `run_blocking` runs them like functions.

    Args:
        runtime: Sends requests and waits.
        timeout: Seconds that a call may take where it brings no timeout of its own.
        retries: When a request is sent again.
        batch_size: Rows per request of `ask`, or None for `default_batch_size`.
    """

    def __init__(
        self, runtime: Runtime, timeout: float, retries: Retries, batch_size: int | None
    ) -> None:
        self._runtime = runtime
        self._timeout = timeout
        self._retries = retries
        self._batch_size = batch_size

    async def ask(
        self,
        model: str,
        question: Question,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
        batch_size: int | None = None,
    ) -> Any:
        """Asks a model, in batches, and returns what `question` reads from the outputs."""
        if batch_size is None:
            batch_size = self._batch_size
        if batch_size is None:
            batch_size = default_batch_size(question.inputs)
        call = PredictCall(make_target(model, version, label), *question[:2])
        return question.read(await self.predict(call, timeout, batch_size))

    async def predict(
        self, call: PredictCall, timeout: float | None, batch_size: int | None
    ) -> Arrays:
        """Runs a signature; in one request unless `batch_size` says how many rows one gets."""
        deadline = self._deadline(timeout)
        if batch_size is None:
            return await self._deliver(call, deadline)
        chunks = split(call.inputs, batch_size)
        if len(chunks) == 1:
            return await self._deliver(call, deadline)
        jobs = [partial(self._deliver_chunk, call, chunk, deadline) for chunk in chunks]
        return join(chunks, await self._runtime.gather(jobs))

    async def status(self, target: Target, timeout: float | None) -> dict[int, str]:
        """Returns the state of each version."""
        return await self._deliver(StatusCall(target), self._deadline(timeout))

    async def metadata(self, target: Target, timeout: float | None) -> dict[str, Any]:
        """Returns the signatures."""
        return await self._deliver(MetadataCall(target), self._deadline(timeout))

    async def wait_until_ready(self, targets: Sequence[Target], timeout: float) -> None:
        """Returns when each target has a version that is available."""
        deadline = Deadline(timeout)
        for target in targets:
            while obstacle := await self._obstacle(target, deadline):
                if deadline.left() <= _POLL_INTERVAL:
                    raise ServingError(
                        grpc.StatusCode.DEADLINE_EXCEEDED,
                        f"Model {target.model} is not ready after {timeout:g} s: {obstacle}",
                    )
                await self._runtime.sleep(_POLL_INTERVAL)

    def _deadline(self, timeout: float | None) -> Deadline:
        return Deadline(self._timeout if timeout is None else timeout)

    async def _deliver(self, call: Call, deadline: Deadline) -> Any:
        for delay in self._retries.delays():
            try:
                return await self._runtime.send(call, deadline)
            except ServingError as error:
                if error.code is not grpc.StatusCode.UNAVAILABLE or delay >= deadline.left():
                    raise
            await self._runtime.sleep(delay)
        return await self._runtime.send(call, deadline)

    async def _deliver_chunk(self, call: PredictCall, chunk: Chunk, deadline: Deadline) -> Arrays:
        try:
            return await self._deliver(call._replace(inputs=chunk.inputs), deadline)
        except ServingError as error:
            raise ServingError(
                error.code, f"Rows {chunk.start} to {chunk.stop - 1}: {error.message}"
            ) from error

    async def _obstacle(self, target: Target, deadline: Deadline) -> str:
        poll = Deadline(min(_POLL_TIMEOUT, deadline.remaining()))
        try:
            states = await self._runtime.send(StatusCall(target), poll)
        except ServingError as error:
            if error.code not in _NOT_YET:
                raise
            return str(error)
        return "" if "AVAILABLE" in states.values() else f"its versions are {states}"
