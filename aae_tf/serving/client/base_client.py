"""What both clients are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

from aae_tf.checks import check_choice, check_dimension
from aae_tf.serving.client.calls import Target, make_target
from aae_tf.serving.client.conversation import Conversation
from aae_tf.serving.client.deadline import Deadline
from aae_tf.serving.client.retries import Retries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aae_tf.serving.client.runtime import Runtime


class CallOptions(TypedDict, total=False):
    """What every named method takes by keyword; see `Client`."""

    version: int | None
    label: str | None
    timeout: float | None
    batch_size: int | None


class BaseClient:
    """Reads the arguments of a client; see `Client`."""

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
        self._runtime: Any = self._make_runtime(protocol, host, port)
        self._conversation = Conversation(
            self._runtime, self.timeout, self.retries, self.batch_size
        )

    def _targets(self, models: str | Sequence[str] | None) -> list[Target]:
        if models is None:
            models = (self.encoder, self.decoder)
        return [make_target(model) for model in ([models] if isinstance(models, str) else models)]

    def _make_runtime(self, protocol: str, host: str, port: int) -> Runtime:
        raise NotImplementedError
