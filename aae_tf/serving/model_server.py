"""The embedded server."""

from __future__ import annotations

import logging
import os
import signal
import socket
from contextlib import ExitStack
from queue import SimpleQueue
from types import TracebackType

from aae_tf.serving.errors import ServerError
from aae_tf.serving.grpc_front import GrpcFront
from aae_tf.serving.model_manager import ModelManager
from aae_tf.serving.rest_front import RestFront

_LOGGER = logging.getLogger("aae_tf.serving")
# Requests of one protocol that may run at once: the real server's default.
_NUM_THREADS = 4 * (os.cpu_count() or 1)


class ModelServer:
    """Serves every model of a folder over TensorFlow Serving's gRPC and REST protocols.

    Each folder of `root` that holds numbered version folders is a model of that name, as
    `export_servables` writes them; the highest version is served. What works here works on
    TensorFlow Serving: models run through the same session loader, and requests get the same
    answers and errors.

    Args:
        root: Folder of the models.
        host: Address to listen on. Defaults to this machine only; the server has no
            authentication, so put a proxy before it rather than widen this.
        grpc_port: Port for gRPC. Defaults to 0, any free one.
        rest_port: Port for REST. Defaults to 0, any free one.
        max_body_bytes: Largest request in bytes, after decompression. Defaults to 100 MiB.
        request_timeout: Seconds that a REST request may run. Defaults to 30. A gRPC request
            brings its own deadline.

    Raises:
        ServerError: from `start`, in one line: `root` is missing or holds no model, a port is
            taken, or a model does not load. Nothing is left running then.

    Example:

        >>> ModelServer("/nonexistent").start()
        Traceback (most recent call last):
        ...
        aae_tf.serving.errors.ServerError: Expected `root` to be a readable folder. ...
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        host: str = "127.0.0.1",
        grpc_port: int = 0,
        rest_port: int = 0,
        max_body_bytes: int = 100 * 2**20,
        request_timeout: float = 30.0,
    ) -> None:
        for argument, port in (("grpc_port", grpc_port), ("rest_port", rest_port)):
            if not 0 <= port <= 65535:
                raise ValueError(
                    f"Expected `{argument}` to be from 0 to 65535. Received: {argument}={port}."
                )
        if grpc_port == rest_port != 0:
            raise ValueError(
                "Expected `grpc_port` and `rest_port` to differ. "
                f"Received: grpc_port={grpc_port}, rest_port={rest_port}."
            )
        if max_body_bytes <= 0:
            raise ValueError(
                "Expected `max_body_bytes` to be above 0. "
                f"Received: max_body_bytes={max_body_bytes}."
            )
        if not request_timeout > 0:
            raise ValueError(
                "Expected `request_timeout` to be above 0. "
                f"Received: request_timeout={request_timeout}."
            )
        self.root = root
        self.host = host
        self.grpc_port = grpc_port
        self.rest_port = rest_port
        self.max_body_bytes = max_body_bytes
        self.request_timeout = request_timeout
        self._manager: ModelManager | None = None

    @property
    def models(self) -> dict[str, int]:
        """The version that is served of each model, by name; empty unless started."""
        return self._manager.models if self._manager else {}

    def start(self) -> None:
        """Loads the models, then listens: a port that answers belongs to a server that is ready.

        Afterwards `grpc_port` and `rest_port` hold the ports in use.
        """
        manager = ModelManager(self.root)
        with ExitStack() as undo:
            # Both ports are tried before the models are loaded, which may take long.
            listener = undo.enter_context(_bind(self.host, "rest_port", self.rest_port))
            _bind(self.host, "grpc_port", self.grpc_port).close()
            undo.callback(manager.close)
            manager.load()
            self._grpc = GrpcFront(manager, self.max_body_bytes, _NUM_THREADS)
            self._rest = RestFront(manager, self.max_body_bytes, _NUM_THREADS, self.request_timeout)
            try:
                grpc_port = self._grpc.start(_address(self.host, self.grpc_port))
                undo.callback(lambda: self._grpc.stop(0).wait())
                self._rest.start(listener)
            except (OSError, RuntimeError) as error:
                raise ServerError(
                    f"Expected both protocols to start. Received: {error}."
                ) from error
            undo.pop_all()
        self.grpc_port = grpc_port
        self.rest_port = listener.getsockname()[1]
        self._manager = manager
        _LOGGER.info(
            "Serving %s on %s, gRPC port %d, REST port %d",
            ", ".join(manager.models),
            self.host,
            self.grpc_port,
            self.rest_port,
        )

    def stop(self, grace: float = 30.0) -> None:
        """Stops: refuses new requests, answers those that run, unloads the models.

        Args:
            grace: Seconds after which requests that still run are cut off. Defaults to 30.
        """
        if self._manager is None:
            return
        drained = self._grpc.stop(grace)
        self._rest.stop(grace)
        drained.wait()
        self._manager.close()
        self._manager = None
        _LOGGER.info("Stopped")

    def run_until_signal(self, grace: float = 30.0) -> None:
        """Serves until SIGTERM or SIGINT, then stops with `grace` and returns.

        A second signal has its usual effect. Call this from the main thread.
        """
        received: SimpleQueue[int] = SimpleQueue()  # the one queue that a handler may put to
        handlers = {
            number: signal.signal(number, lambda number, _: received.put(number))
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            number = received.get()
        finally:
            for each, handler in handlers.items():
                signal.signal(each, handler)
        _LOGGER.info("Received %s, finishing requests", signal.Signals(number).name)
        self.stop(grace)

    def __enter__(self) -> ModelServer:
        self.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _bind(host: str, argument: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off, 40 ms per answer, only where the protocol is named.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ServerError(
            f"Expected `{argument}` to be free on `host`. "
            f"Received: {argument}={port}, host={host} ({error.strerror})."
        ) from error
    return listener


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
