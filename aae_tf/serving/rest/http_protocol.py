"""HTTP connections with deadlines, and the event loop that serves them."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

_LOGGER = logging.getLogger("aae_tf.serving")

# Seconds that a client has to send the head of a request, and that one without a request is kept.
HEAD_TIMEOUT = 20.0
IDLE_TIMEOUT = 75
# Seconds that bytes may wait for a client that does not read them.
_READ_TIMEOUT = 60
_HTTP_1_0 = re.compile(rb"\A([^\r\n]*) HTTP/1\.0\r\n", re.IGNORECASE)
_KEEP_ALIVE = re.compile(rb"\r\nconnection:[^\r\n]*keep-alive", re.IGNORECASE)
_HOST = re.compile(rb"\r\nhost:", re.IGNORECASE)
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-type: application/json\r\n"
    b'content-length: 42\r\n\r\n{"error": "Too many connections are open"}'
)


class HttpProtocol(H11Protocol):
    """One HTTP connection.

    A client that does not send the head of a request within `HEAD_TIMEOUT`, be it the first or a
    later one, is disconnected; so is one that does not read its answer, and one beyond
    `max_connections`. An HTTP/1.0 connection is kept open where the client asks for it.
    """

    max_connections = 10_000
    head_timeout = HEAD_TIMEOUT

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the deadline for the first head."""
        super().connection_made(transport)
        self._head_timer: asyncio.TimerHandle | None = None
        if len(self.connections) > self.max_connections:
            transport.write(_BUSY)
            transport.close()
            return
        accepted = transport.get_extra_info("socket")
        if accepted is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * _READ_TIMEOUT)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the deadline."""
        self._head_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Takes bytes; the deadline goes on until they make a head, however many they are."""
        if self.transport.is_closing():
            return
        if self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            data = _keep_http_1_0_alive(data)
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._head_arrived()
        elif self._head_timer is None and not self.transport.is_closing():
            self._await_head()

    def on_response_complete(self) -> None:
        """Lets the time for idle connections count from here."""
        self._head_arrived()
        super().on_response_complete()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout, self._close_silent)

    def _head_arrived(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close_silent(self) -> None:
        self._head_timer = None
        self.transport.abort()


class HttpServer(uvicorn.Server):
    """Serves until it is told to stop, in an event loop that logs at most a line a second.

    Without descriptors an event loop fails to accept, again and again, and says so each time.

    Args:
        config: uvicorn's configuration.
        on_shutdown: Called in the event loop before connections are closed.
    """

    def __init__(self, config: uvicorn.Config, on_shutdown: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_shutdown = on_shutdown

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Closes all connections, once requests that run were cut off."""
        self._on_shutdown()
        await super().shutdown(sockets)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serves `sockets`; see uvicorn, whose handlers of signals are left out."""
        asyncio.get_running_loop().set_exception_handler(_LogOncePerSecond())
        await self._serve(sockets)


class _LogOncePerSecond:
    """An event loop's handler of exceptions."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        message, reason = context.get("message", "The REST server failed"), context.get("exception")
        # What the loop had put off until there are descriptors again finds the socket closed.
        is_closed = "_start_serving" in message and isinstance(reason, ValueError)
        if time.monotonic() >= self._next and not is_closed:
            self._next = time.monotonic() + 1.0
            _LOGGER.error("%s: %s", message, reason or "")


def _keep_http_1_0_alive(data: bytes) -> bytes:
    """Returns the start of a request that asks to keep an HTTP/1.0 connection, as HTTP/1.1.

    The parser closes every connection of HTTP/1.0. What must come in HTTP/1.1 is added.
    """
    head = data.partition(b"\r\n\r\n")[0]
    match = _HTTP_1_0.match(data)
    if match is None or not _KEEP_ALIVE.search(head):
        return data
    host = b"" if _HOST.search(head) else b"host: localhost\r\n"
    return match.group(1) + b" HTTP/1.1\r\n" + host + data[match.end() :]
