"""The base of both clients: their arguments, and what they send through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

from aae_tf.checks import check_bool, check_choice, check_dimension
from aae_tf.serving.client.calls import Target, make_target
from aae_tf.serving.client.dispatcher import Dispatcher
from aae_tf.serving.client.limits import Deadline, Retries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aae_tf.serving.client.executors import Executor


class CallOptions(TypedDict, total=False):
    """Keywords of every method that runs a signature of an export; see `Client`."""

    version: int | None
    label: str | None
    timeout: float | None
    batch_size: int | None


class BaseClient:
    """Checks the arguments of a client and makes its parts; see `Client`."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        grpc_port: int | None = None,
        rest_port: int | None = None,
        protocol: Literal["grpc", "rest"] | None = None,
        timeout: float = 30.0,
        encoder: str = "encoder",
        decoder: str = "decoder",
        autoencoder: str = "autoencoder",
        batch_size: int | None = None,
        max_in_flight: int = 4,
        retries: Retries | None = None,
        check_values: bool = True,
    ) -> None:
        if protocol is None:
            protocol = "grpc" if grpc_port is not None else "rest"
        check_choice("protocol", protocol, ("grpc", "rest"))
        port = grpc_port if protocol == "grpc" else rest_port
        if port is None:
            raise ValueError(
                f"Expected `{protocol}_port` to be given for protocol {protocol!r}. "
                f"Received: grpc_port={grpc_port}, rest_port={rest_port}."
            )
        self.timeout = Deadline(timeout).timeout
        self.encoder = encoder
        self.decoder = decoder
        self.autoencoder = autoencoder
        self.batch_size = None if batch_size is None else check_dimension("batch_size", batch_size)
        self.max_in_flight = check_dimension("max_in_flight", max_in_flight)
        self.retries = Retries() if retries is None else retries
        self.check_values = check_bool("check_values", check_values)
        self._executor: Any = self._make_executor(protocol, host, port)
        self._dispatcher = Dispatcher(self._executor, self.timeout, self.retries, self.batch_size)

    def _targets(self, models: str | Sequence[str] | None) -> list[Target]:
        if models is None:
            models = (self.encoder, self.decoder)
        return [make_target(model) for model in ([models] if isinstance(models, str) else models)]

    def _make_executor(self, protocol: str, host: str, port: int) -> Executor:
        raise NotImplementedError
