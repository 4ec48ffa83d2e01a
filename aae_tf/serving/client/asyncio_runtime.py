"""The conversation in coroutines of asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aae_tf.serving.client.calls import Call
from aae_tf.serving.client.deadline import Deadline
from aae_tf.serving.client.runtime import AsyncTransport, Job


class AsyncioRuntime:
    """Sends without holding up the event loop.

    Args:
        transport: The protocol.
        max_in_flight: Jobs that `gather` runs at a time, over all its calls.
    """

    def __init__(self, transport: AsyncTransport, max_in_flight: int) -> None:
        self._transport = transport
        self._gate = asyncio.Semaphore(max_in_flight)

    async def send(self, call: Call, deadline: Deadline) -> Any:
        """Sends one request; see `Runtime`."""
        return await self._transport.send(call, deadline)

    async def sleep(self, seconds: float) -> None:
        """Waits; see `Runtime`."""
        await asyncio.sleep(seconds)

    async def gather(self, jobs: Sequence[Job]) -> list[Any]:
        """Runs jobs as tasks; see `Runtime`."""
        failures: list[Exception] = []

        async def run(job: Job) -> Any:
            async with self._gate:
                if failures:  # by the job that has just left
                    return None
                try:
                    return await job()
                except Exception as error:
                    failures.append(error)
                    raise

        tasks = [asyncio.ensure_future(run(job)) for job in jobs]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        if failures:
            raise failures[0]
        return results

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.close()
