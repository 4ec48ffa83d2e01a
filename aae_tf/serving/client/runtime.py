"""What the conversation needs of the world: requests, pauses, and several things at once."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeAlias

from aae_tf.serving.client.calls import Call
from aae_tf.serving.client.cancellation import Cancellation
from aae_tf.serving.client.deadline import Deadline

Job: TypeAlias = Callable[[], Coroutine[Any, Any, Any]]


class Runtime(Protocol):
    """Carries out what `Conversation` decides."""

    async def send(self, call: Call, deadline: Deadline) -> Any:
        """Sends one request and returns what it is answered with."""

    async def sleep(self, seconds: float) -> None:
        """Waits."""

    async def gather(self, jobs: Sequence[Job]) -> list[Any]:
        """Runs jobs, a bounded number at a time, and returns their results in order.

        The first failure gives up the other jobs and is raised.
        """


class Transport(Protocol):
    """A protocol, to a thread that waits."""

    def send(self, call: Call, deadline: Deadline, cancellation: Cancellation | None = None) -> Any:
        """Sends one request; `cancellation` ends it early."""

    def close(self) -> None:
        """Closes the connections."""


class AsyncTransport(Protocol):
    """A protocol, to a coroutine; cancelling it ends the request."""

    async def send(self, call: Call, deadline: Deadline) -> Any:
        """Sends one request."""

    async def close(self) -> None:
        """Closes the connections."""
