"""Ask a server for codes, decodings and samples."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from aae_tf.serving.grpc_transport import GrpcTransport
from aae_tf.serving.rest_transport import RestTransport


class Client:
    """Encodes, classifies, decodes and samples on a model server, with NumPy arrays in and out.

    The server may be `ModelServer` or TensorFlow Serving itself; both protocols give the same
    arrays. A client may be shared by threads.

    Args:
        host: The server's address. Defaults to this machine.
        grpc_port: The server's gRPC port.
        rest_port: The server's REST port.
        protocol: "grpc" or "rest". Defaults to gRPC where `grpc_port` is given, which is the
            faster, by far for large arrays; otherwise REST.
        timeout: Seconds that a request may take. Defaults to 30.
        encoder: Name of the model that encodes and classifies.
        decoder: Name of the model that decodes and samples.

    Raises:
        ValueError: the protocol is unknown, its port is missing, or `timeout` is not above 0.
        ServingError: from every request that fails, with the server's code and message;
            UNAVAILABLE if there is no server, DEADLINE_EXCEEDED after `timeout`.

    Example:

        >>> import tempfile
        >>> import tensorflow as tf
        >>> from aae_tf.serving import ModelServer
        >>> encoder = tf.Module()
        >>> encoder.kernel = tf.Variable([[1.0], [2.0]])
        >>> encode = tf.function(lambda inputs: {"latents": inputs @ encoder.kernel})
        >>> encode = encode.get_concrete_function(tf.TensorSpec([None, 2], name="inputs"))
        >>> root = tempfile.mkdtemp()
        >>> tf.saved_model.save(encoder, f"{root}/encoder/1", signatures={"encode": encode})
        >>> with ModelServer(root) as server, Client(grpc_port=server.grpc_port) as client:
        ...     client.status("encoder"), client.encode([[3.0, 4.0]])
        ({1: 'AVAILABLE'}, array([[11.]], dtype=float32))
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        grpc_port: int | None = None,
        rest_port: int | None = None,
        protocol: Literal["grpc", "rest"] | None = None,
        timeout: float = 30.0,
        encoder: str = "encoder",
        decoder: str = "decoder",
    ) -> None:
        if protocol is None:
            protocol = "grpc" if grpc_port is not None else "rest"
        if protocol not in ("grpc", "rest"):
            raise ValueError(
                f"Expected `protocol` to be 'grpc' or 'rest'. Received: protocol={protocol!r}."
            )
        port = grpc_port if protocol == "grpc" else rest_port
        if port is None:
            raise ValueError(
                f"Expected `{protocol}_port` to be given for protocol {protocol!r}. "
                f"Received: grpc_port={grpc_port}, rest_port={rest_port}."
            )
        if not timeout > 0:
            raise ValueError(f"Expected `timeout` to be above 0. Received: timeout={timeout}.")
        self.encoder = encoder
        self.decoder = decoder
        transport = GrpcTransport if protocol == "grpc" else RestTransport
        self._transport: _Transport = transport(host, port, timeout)

    def encode(self, inputs: ArrayLike) -> np.ndarray:
        """Encodes inputs.

        Args:
            inputs: Array [batch, ...], cast to float32.

        Returns:
            Latents [batch, d], float32; for class probabilities see `classify`.
        """
        rows = {"inputs": _rows("inputs", inputs, np.float32)}
        return self.predict(self.encoder, rows, "encode")["latents"]

    def classify(self, inputs: ArrayLike) -> dict[str, np.ndarray]:
        """Classifies inputs, for models with a classifier.

        Args:
            inputs: Array [batch, ...], cast to float32.

        Returns:
            `class_probabilities` [batch, classes], float32, and `class_id` [batch], int64, the
            most probable one.
        """
        rows = {"inputs": _rows("inputs", inputs, np.float32)}
        return self.predict(self.encoder, rows, "classify")

    def decode(
        self, latents: ArrayLike, class_probabilities: ArrayLike | None = None
    ) -> np.ndarray:
        """Decodes latents.

        Args:
            latents: Array [batch, d], cast to float32.
            class_probabilities: Array [batch, classes], cast to float32, for models whose
                decoder sees the class.

        Returns:
            Outputs [batch, ...], float32.
        """
        rows = {"latents": _rows("latents", latents, np.float32)}
        if class_probabilities is not None:
            rows["class_probabilities"] = _rows(
                "class_probabilities", class_probabilities, np.float32
            )
        return self.predict(self.decoder, rows, "decode")["outputs"]

    def sample(self, seeds: ArrayLike, labels: ArrayLike | None = None) -> dict[str, np.ndarray]:
        """Samples, one row per seed; a seed and a label give the same latents in any call.

        Args:
            seeds: Integers [batch].
            labels: For models that know classes, and only for them: the class of every row, an
                integer, or of each, integers [batch]; -1 draws it.

        Returns:
            `outputs` [batch, ...] and `latents` [batch, d], float32; `class_probabilities`
            [batch, classes] where the decoder receives them.

        Raises:
            TypeError: seeds or labels are no integers.
        """
        rows = {"seed": _integers("seeds", seeds)}
        if labels is not None:
            labels = np.full(len(rows["seed"]), labels) if np.ndim(labels) == 0 else labels
            rows["label"] = _integers("labels", labels)
        return self.predict(self.decoder, rows, "sample")

    def predict(
        self,
        model: str,
        inputs: Mapping[str, ArrayLike],
        signature_name: str = "",
        version: int | None = None,
    ) -> dict[str, np.ndarray]:
        """Runs a signature of a model.

        Args:
            model: The model's name.
            inputs: Arrays by input name, in the dtypes that the signature asks for; a Python
                float is a double.
            signature_name: The signature. Defaults to the model's default.
            version: The model's version. Defaults to the highest.

        Returns:
            Arrays by output name; strings are object arrays of bytes.
        """
        arrays = {name: np.asarray(value) for name, value in inputs.items()}
        return self._transport.predict(model, arrays, signature_name, version)

    def status(self, model: str) -> dict[int, str]:
        """Returns the state of each version of a model, such as `{3: "AVAILABLE"}`."""
        return self._transport.status(model)

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _rows(argument: str, value: ArrayLike, dtype: DTypeLike) -> np.ndarray:
    # Servers differ on empty batches: JSON loses their shape, and batching may fail on them.
    rows = np.asarray(value, dtype)
    if rows.ndim == 0 or len(rows) == 0:
        raise ValueError(
            f"Expected `{argument}` to have at least one row. "
            f"Received: {argument} of shape {rows.shape}."
        )
    return rows


def _integers(argument: str, value: ArrayLike) -> np.ndarray:
    kind = np.asarray(value).dtype.kind
    if kind not in "iu" and np.size(value):
        raise TypeError(f"Expected `{argument}` to be integers. Received: {argument}={value!r}.")
    return _rows(argument, value, np.int64)


class _Transport(Protocol):
    """What `Client` asks of a protocol."""

    def predict(
        self,
        model: str,
        inputs: Mapping[str, np.ndarray],
        signature_name: str,
        version: int | None,
    ) -> dict[str, np.ndarray]: ...

    def status(self, model: str) -> dict[int, str]: ...

    def close(self) -> None: ...
