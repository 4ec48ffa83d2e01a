"""The client of a model server, for asyncio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from aae_tf.serving.client import calls
from aae_tf.serving.client.base_client import BaseClient
from aae_tf.serving.client.calls import Inputs, PredictCall, make_target
from aae_tf.serving.client.executors import AsyncioExecutor, AsyncTransport, ThreadedTransport
from aae_tf.serving.client.grpc_transport import AsyncGrpcTransport
from aae_tf.serving.client.protocol import Signatures
from aae_tf.serving.client.rest_transport import RestTransport

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from aae_tf.serving.client.base_client import CallOptions
    from aae_tf.serving.client.signature_calls import SignatureCall


class AsyncClient(BaseClient):
    """`Client` for asyncio: the same arguments, and its methods as coroutines.

    It belongs to the event loop that it is first used in. Cancelling a call ends its requests.
    gRPC goes through `grpc.aio`; REST through threads that wait, at most 32, so that more
    requests than that queue up.

    Args:
        **arguments: Those of `Client`.

    Raises:
        ValueError: as from `Client`.
        ServingError: as from `Client`.

    Example:

        >>> import asyncio, tempfile
        >>> import tensorflow as tf
        >>> from aae_tf.serving import ModelServer
        >>> from aae_tf.serving.client import AsyncClient
        >>> encoder = tf.Module()
        >>> encoder.kernel = tf.Variable([[1.0], [2.0]])
        >>> encode = tf.function(lambda inputs: {"latents": inputs @ encoder.kernel})
        >>> encode = encode.get_concrete_function(tf.TensorSpec([None, 2], name="inputs"))
        >>> root = tempfile.mkdtemp()
        >>> tf.saved_model.save(encoder, f"{root}/encoder/1", signatures={"encode": encode})
        >>> async def ask(port):
        ...     async with AsyncClient(rest_port=port) as client:
        ...         return await asyncio.gather(*(client.encode([[i, 1.0]]) for i in range(2)))
        >>> with ModelServer(root) as server:
        ...     asyncio.run(ask(server.rest_port))
        [array([[2.]], dtype=float32), array([[3.]], dtype=float32)]
    """

    async def encode(self, inputs: Inputs, **options: Unpack[CallOptions]) -> np.ndarray:
        """Encodes inputs; see `Client.encode`."""
        return await self._call(self.encoder, calls.encode(inputs, self.check_values), options)

    async def classify(
        self, inputs: Inputs, **options: Unpack[CallOptions]
    ) -> dict[str, np.ndarray]:
        """Classifies inputs; see `Client.classify`."""
        return await self._call(self.encoder, calls.classify(inputs, self.check_values), options)

    async def decode(
        self,
        latents: ArrayLike,
        class_probabilities: ArrayLike | None = None,
        **options: Unpack[CallOptions],
    ) -> Any:
        """Decodes latents; see `Client.decode`."""
        signature_call = calls.decode(latents, class_probabilities, self.check_values)
        return await self._call(self.decoder, signature_call, options)

    async def sample(
        self,
        seeds: ArrayLike,
        labels: ArrayLike | None = None,
        **options: Unpack[CallOptions],
    ) -> dict[str, np.ndarray]:
        """Samples, one row per seed; see `Client.sample`."""
        return await self._call(self.decoder, calls.sample(seeds, labels), options)

    async def reconstruct(self, inputs: Inputs, **options: Unpack[CallOptions]) -> Any:
        """Encodes inputs and decodes their codes; see `Client.reconstruct`."""
        return await self._call(
            self.autoencoder, calls.reconstruct(inputs, self.check_values), options
        )

    async def score(self, inputs: Inputs, **options: Unpack[CallOptions]) -> dict[str, np.ndarray]:
        """Scores inputs; see `Client.score`."""
        return await self._call(self.autoencoder, calls.score(inputs, self.check_values), options)

    async def score_at(
        self,
        inputs: Inputs,
        false_alarm_rate: ArrayLike,
        **options: Unpack[CallOptions],
    ) -> dict[str, np.ndarray]:
        """Scores inputs at a rate of false alarms; see `Client.score_at`."""
        call = calls.score_at(inputs, false_alarm_rate, self.check_values)
        return await self._call(self.autoencoder, call, options)

    async def predict(
        self,
        model: str,
        inputs: Mapping[str, ArrayLike],
        signature_name: str = "",
        version: int | None = None,
        *,
        label: str | None = None,
        timeout: float | None = None,
        batch_size: int | None = None,
    ) -> dict[str, np.ndarray]:
        """Runs a signature of a model; see `Client.predict`."""
        target = make_target(model, version, label)
        call = PredictCall.from_inputs(target, signature_name, inputs)
        return await self._dispatcher.predict(call, timeout, batch_size)

    async def status(
        self, model: str, version: int | None = None, *, timeout: float | None = None
    ) -> dict[int, str]:
        """Returns the state of each version of a model; see `Client.status`."""
        return await self._dispatcher.status(make_target(model, version), timeout)

    async def metadata(
        self,
        model: str,
        version: int | None = None,
        *,
        label: str | None = None,
        timeout: float | None = None,
    ) -> Signatures:
        """Returns the signatures of a model; see `Client.metadata`."""
        return await self._dispatcher.metadata(make_target(model, version, label), timeout)

    async def wait_until_ready(
        self, models: str | Sequence[str] | None = None, *, timeout: float = 60.0
    ) -> None:
        """Asks until each model is available; see `Client.wait_until_ready`."""
        await self._dispatcher.wait_until_ready(self._targets(models), timeout)

    async def close(self) -> None:
        """Closes the connections."""
        await self._executor.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _make_executor(self, protocol: str, host: str, port: int) -> AsyncioExecutor:
        transport: AsyncTransport
        if protocol == "grpc":
            transport = AsyncGrpcTransport(host, port)
        else:
            transport = ThreadedTransport(RestTransport(host, port))
        return AsyncioExecutor(transport, self.max_in_flight)

    async def _call(self, model: str, signature_call: SignatureCall, options: CallOptions) -> Any:
        return await self._dispatcher.call_signature(model, signature_call, **options)
