"""The dispatch of calls: deadlines, retries and batches, for both clients and both protocols."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import grpc

from aae_tf.serving.client.calls import (
    RATE,
    Arrays,
    Call,
    MetadataCall,
    PredictCall,
    SignatureCall,
    StatusCall,
    Target,
    make_target,
)
from aae_tf.serving.client.chunks import Chunk, default_batch_size, join, split
from aae_tf.serving.client.executors import Executor
from aae_tf.serving.client.limits import Deadline, Retries
from aae_tf.serving.errors import ServingError

_POLL_INTERVAL = 0.1
# A server that accepts connections and then hangs must not use up all the time for polls.
_POLL_TIMEOUT = 5.0
# Codes of a server that is starting, or absent.
_NOT_READY = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)
# Signatures that neither encoder nor decoder has.
_COMBINED = ("reconstruct", "score", "score_at")


class Dispatcher:
    """Sends calls with deadlines, retries and batches.

    Its methods are coroutines that wait only through `executor`: on a `ThreadExecutor` they never
    suspend, and `run_blocking` runs them like functions.

    Args:
        executor: Sends requests and waits.
        timeout: Seconds that a call may take where it brings no timeout of its own.
        retries: When a request is sent again.
        batch_size: Rows per request of `call_signature`, or None for `default_batch_size`.
    """

    def __init__(
        self, executor: Executor, timeout: float, retries: Retries, batch_size: int | None
    ) -> None:
        self._executor = executor
        self._timeout = timeout
        self._retries = retries
        self._batch_size = batch_size

    async def call_signature(
        self,
        model: str,
        signature_call: SignatureCall,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
        batch_size: int | None = None,
    ) -> Any:
        """Runs a signature of a model in batches, and returns what the call reads of it."""
        if signature_call.array is not None:
            # A frame is an array to models of arrays, and columns to those of tables.
            signatures = await self.metadata(make_target(model, version, label), timeout)
            expected = signatures.get(signature_call.signature_name, {}).get("inputs", {})
            if "inputs" in expected and "inputs" not in signature_call.inputs:
                rates = {n: a for n, a in signature_call.inputs.items() if n == RATE}
                inputs = {"inputs": signature_call.array(), **rates}
                signature_call = signature_call._replace(inputs=inputs)
        if batch_size is None:
            batch_size = self._batch_size
        if batch_size is None:
            batch_size = default_batch_size(signature_call.inputs)
        call = PredictCall(make_target(model, version, label), *signature_call[:2])
        try:
            return signature_call.read(await self.predict(call, timeout, batch_size))
        except ServingError as error:
            name = call.signature_name
            is_absent = error.code is grpc.StatusCode.NOT_FOUND and version is None is label
            if not is_absent or name not in _COMBINED:
                raise
            raise ServingError(
                error.code,
                f"{error.message}. Only the model that `aae-tf export --combined` writes has "
                f"`{name}`: the server must serve it as {model!r}.",
            ) from error

    async def predict(
        self, call: PredictCall, timeout: float | None, batch_size: int | None
    ) -> Arrays:
        """Runs a signature; in one request unless `batch_size` says how many rows one gets."""
        deadline = self._deadline(timeout)
        if batch_size is None:
            return await self._send_with_retries(call, deadline)
        chunks = split(call.inputs, batch_size)
        if len(chunks) == 1:
            return await self._send_with_retries(call, deadline)
        jobs = [partial(self._send_chunk, call, chunk, deadline) for chunk in chunks]
        return join(chunks, await self._executor.gather(jobs))

    async def status(self, target: Target, timeout: float | None) -> dict[int, str]:
        """Returns the state of each version."""
        return await self._send_with_retries(StatusCall(target), self._deadline(timeout))

    async def metadata(self, target: Target, timeout: float | None) -> dict[str, Any]:
        """Returns the signatures."""
        return await self._send_with_retries(MetadataCall(target), self._deadline(timeout))

    async def wait_until_ready(self, targets: Sequence[Target], timeout: float) -> None:
        """Returns when each target has a version that is available."""
        deadline = Deadline(timeout)
        for target in targets:
            while reason := await self._reason_not_ready(target, deadline):
                if deadline.left() <= _POLL_INTERVAL:
                    raise ServingError(
                        grpc.StatusCode.DEADLINE_EXCEEDED,
                        f"Model {target.model} is not ready after {timeout:g} s: {reason}",
                    )
                await self._executor.sleep(_POLL_INTERVAL)

    def _deadline(self, timeout: float | None) -> Deadline:
        return Deadline(self._timeout if timeout is None else timeout)

    async def _send_with_retries(self, call: Call, deadline: Deadline) -> Any:
        for delay in self._retries.delays():
            try:
                return await self._executor.send(call, deadline)
            except ServingError as error:
                if error.code is not grpc.StatusCode.UNAVAILABLE or delay >= deadline.left():
                    raise
            await self._executor.sleep(delay)
        return await self._executor.send(call, deadline)

    async def _send_chunk(self, call: PredictCall, chunk: Chunk, deadline: Deadline) -> Arrays:
        try:
            return await self._send_with_retries(call._replace(inputs=chunk.inputs), deadline)
        except ServingError as error:
            raise ServingError(
                error.code, f"Rows {chunk.start} to {chunk.stop - 1}: {error.message}"
            ) from error

    async def _reason_not_ready(self, target: Target, deadline: Deadline) -> str:
        poll = Deadline(min(_POLL_TIMEOUT, deadline.remaining()))
        try:
            states = await self._executor.send(StatusCall(target), poll)
        except ServingError as error:
            if error.code not in _NOT_READY:
                raise
            return str(error)
        return "" if "AVAILABLE" in states.values() else f"its versions are {states}"
