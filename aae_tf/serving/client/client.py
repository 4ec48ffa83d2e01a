"""The client of a model server, for threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from aae_tf.serving.client import calls
from aae_tf.serving.client.base_client import BaseClient
from aae_tf.serving.client.calls import Inputs, PredictCall, make_target
from aae_tf.serving.client.executors import ThreadExecutor, run_blocking
from aae_tf.serving.client.grpc_transport import GrpcTransport
from aae_tf.serving.client.protocol import Signatures
from aae_tf.serving.client.rest_transport import RestTransport

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from aae_tf.serving.client.base_client import CallOptions
    from aae_tf.serving.client.signature_calls import SignatureCall


class Client(BaseClient):
    """Encodes, classifies, decodes and samples on a model server, with NumPy arrays in and out.

    The server may be `ModelServer` or TensorFlow Serving itself; both protocols give the same
    arrays. A client may be shared by threads.

    A request that fails with UNAVAILABLE (over REST: status 503, a refused or a lost connection)
    is sent again as `retries` says, and one that fails otherwise is not. A request whose
    connection was lost may have been executed: that does no harm, as no request changes anything
    on the server and each gives the same answer again.

    `encode`, `classify`, `decode`, `sample`, `reconstruct` and `score` send many rows as several
    requests, `max_in_flight` at a time, and put the answers together in order. If one fails, the
    others are cancelled, and the error names its rows. A server that changes versions meanwhile
    may answer rows of one call by either: give `version` where that matters.

    Of a model of a table, inputs are a frame of pandas or polars, or a dict of columns [batch]:
    numbers and booleans are sent as float32, NaN where one is missing; text as it is, "" where it
    is missing; dates as text. A missing or an infinite number is answered as the model does.

    These methods take by keyword, for one call:

    - `version`, integer, or `label`, string: which version of the model. By default the highest.
    - `timeout`, seconds: in place of the client's.
    - `batch_size`, rows per request: in place of the client's.

    Args:
        host: The server's address. Defaults to this machine.
        grpc_port: The server's gRPC port.
        rest_port: The server's REST port.
        protocol: "grpc" or "rest". Defaults to gRPC where `grpc_port` is given, which is the
            faster, by far for large arrays; otherwise REST.
        timeout: Seconds that a call may take: all its requests, their retries and the pauses
            between them. Defaults to 30.
        encoder: Name of the model that encodes and classifies.
        decoder: Name of the model that decodes and samples.
        autoencoder: Name of the model that reconstructs and scores, which `export_model` writes.
        batch_size: Rows per request; at most what the server's batching takes. Defaults to 512,
            or fewer where they are more than 4 MiB.
        max_in_flight: Requests of divided calls that are under way at once, over all threads.
            Defaults to 4.
        retries: `Retries`. Defaults to three, after 0.1, 0.2 and 0.4 s at the most.
        check_values: Whether `encode`, `classify`, `reconstruct`, `score` and `decode` refuse
            8-bit integers and values that are not finite in float32, as the model's own methods
            do, before anything is sent. If False, they are sent as they are: a server of an
            export answers a row with NaN or infinity with NaN, and class -1, and the others as
            ever. Defaults to True. `predict` sends what it is given in any case.

    Raises:
        TypeError: `check_values` is no bool; from a call, an array is of 8-bit integers.
        ValueError: an argument is out of its domain, or the protocol's port is missing; from a
            call, an array has no rows, or a value that is not finite.
        ServingError: from every call that fails, with the server's code and message;
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
        ...     client.status("encoder"), client.encode([[3.0, 4.0]], version=1)
        ({1: 'AVAILABLE'}, array([[11.]], dtype=float32))
    """

    def encode(self, inputs: Inputs, **options: Unpack[CallOptions]) -> np.ndarray:
        """Encodes inputs.

        Args:
            inputs: Array [batch, ...], cast to float32; of a table its columns.
            **options: See `Client`.

        Returns:
            Latents [batch, d], float32; for class probabilities see `classify`.
        """
        return self._call(self.encoder, calls.encode(inputs, self.check_values), options)

    def classify(self, inputs: Inputs, **options: Unpack[CallOptions]) -> dict[str, np.ndarray]:
        """Classifies inputs, for models with a classifier.

        Args:
            inputs: Array [batch, ...], cast to float32; of a table its columns.
            **options: See `Client`.

        Returns:
            `class_probabilities` [batch, classes], float32, and `class_id` [batch], int64, the
            most probable one.
        """
        return self._call(self.encoder, calls.classify(inputs, self.check_values), options)

    def decode(
        self,
        latents: ArrayLike,
        class_probabilities: ArrayLike | None = None,
        **options: Unpack[CallOptions],
    ) -> Any:
        """Decodes latents.

        Args:
            latents: Array [batch, d], cast to float32.
            class_probabilities: Array [batch, classes], cast to float32, for models whose
                decoder sees the class.
            **options: See `Client`.

        Returns:
            Outputs [batch, ...], float32; of a table its columns by name, text as str.
        """
        return self._call(
            self.decoder, calls.decode(latents, class_probabilities, self.check_values), options
        )

    def sample(
        self,
        seeds: ArrayLike,
        labels: ArrayLike | None = None,
        **options: Unpack[CallOptions],
    ) -> dict[str, np.ndarray]:
        """Samples, one row per seed; a seed and a label give the same latents in any call.

        Args:
            seeds: Integers [batch].
            labels: For models that know classes, and only for them: the class of every row, an
                integer, or of each, integers [batch]; -1 draws it.
            **options: See `Client`.

        Returns:
            `outputs` [batch, ...], or of a table its columns, and `latents` [batch, d], float32;
            `class_probabilities` [batch, classes] where the decoder receives them.

        Raises:
            TypeError: seeds or labels are no integers.
        """
        return self._call(self.decoder, calls.sample(seeds, labels), options)

    def reconstruct(self, inputs: Inputs, **options: Unpack[CallOptions]) -> Any:
        """Encodes inputs and decodes their codes.

        Args:
            inputs: Array [batch, ...], cast to float32; of a table its columns.
            **options: See `Client`.

        Returns:
            Outputs [batch, ...], float32, of the shape of the inputs; of a table its columns.
        """
        return self._call(self.autoencoder, calls.reconstruct(inputs, self.check_values), options)

    def score(self, inputs: Inputs, **options: Unpack[CallOptions]) -> dict[str, np.ndarray]:
        """Scores inputs: what is unlike the training data has a large error or a rare code.

        Args:
            inputs: Array [batch, ...], cast to float32; of a table its columns.
            **options: See `Client`.

        Returns:
            `reconstruction_error` [batch], float32, half the squared distance to the
            reconstruction, and `prior_log_prob` [batch], float32, nats, the log density of the
            code under the prior, where that has one.
        """
        return self._call(self.autoencoder, calls.score(inputs, self.check_values), options)

    def score_at(
        self,
        inputs: Inputs,
        false_alarm_rate: ArrayLike,
        **options: Unpack[CallOptions],
    ) -> dict[str, np.ndarray]:
        """Scores inputs by a detector, with a rate of false alarms in place of its own.

        Args:
            inputs: Array [batch, ...], cast to float32; of a table its columns.
            false_alarm_rate: Number in (0, 1), or [batch], one for each row.
            **options: See `Client`.

        Returns:
            What `score` gives for the export of an `AnomalyDetector`; `is_anomaly` is where
            `p_value` is at most the row's rate.

        Raises:
            ValueError: A rate is not in (0, 1), or there is not one for each row.
        """
        call = calls.score_at(inputs, false_alarm_rate, self.check_values)
        return self._call(self.autoencoder, call, options)

    def predict(
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
        """Runs a signature of a model.

        Args:
            model: The model's name.
            inputs: Arrays by input name, in the dtypes that the signature asks for; a Python
                float is a double.
            signature_name: The signature. Defaults to the model's default.
            version: The model's version. Defaults to the highest.
            label: The label of the version, in place of its number.
            timeout: Seconds, in place of the client's.
            batch_size: Rows per request, for signatures whose inputs and outputs have a row per
                example. By default there is one request, whatever the client's `batch_size`.

        Returns:
            Arrays by output name; strings are object arrays of bytes.

        Raises:
            ValueError: `version` and `label` are both given, or `batch_size` is and an input or
                output has other rows.
        """
        target = make_target(model, version, label)
        call = PredictCall.from_inputs(target, signature_name, inputs)
        return run_blocking(self._dispatcher.predict(call, timeout, batch_size))

    def status(
        self, model: str, version: int | None = None, *, timeout: float | None = None
    ) -> dict[int, str]:
        """Returns the state of each version of a model, such as `{3: "AVAILABLE"}`.

        Args:
            model: The model's name.
            version: The only version to tell of. By default all.
            timeout: Seconds, in place of the client's.
        """
        target = make_target(model, version)
        return run_blocking(self._dispatcher.status(target, timeout))

    def metadata(
        self,
        model: str,
        version: int | None = None,
        *,
        label: str | None = None,
        timeout: float | None = None,
    ) -> Signatures:
        """Returns the signatures of a model.

        Args:
            model: The model's name.
            version: The model's version. Defaults to the highest.
            label: The label of the version, in place of its number.
            timeout: Seconds, in place of the client's.

        Returns:
            Dicts by the signature's name, whose "inputs" and "outputs" hold for each array its
            "dtype", such as "float32", and its "shape", a tuple with None for sizes that are
            free, or None if the rank is.
        """
        target = make_target(model, version, label)
        return run_blocking(self._dispatcher.metadata(target, timeout))

    def wait_until_ready(
        self, models: str | Sequence[str] | None = None, *, timeout: float = 60.0
    ) -> None:
        """Asks for the status until each model has a version that is available.

        Args:
            models: Names of the models. Defaults to the encoder's and the decoder's.
            timeout: Seconds to wait at most, for all of them. Defaults to 60.

        Raises:
            ServingError: DEADLINE_EXCEEDED after `timeout`, with what stood in the way last.
        """
        targets = self._targets(models)
        run_blocking(self._dispatcher.wait_until_ready(targets, timeout))

    def close(self) -> None:
        """Closes the connections."""
        self._executor.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _make_executor(self, protocol: str, host: str, port: int) -> ThreadExecutor:
        transport = GrpcTransport if protocol == "grpc" else RestTransport
        return ThreadExecutor(transport(host, port), self.max_in_flight)

    def _call(self, model: str, signature_call: SignatureCall, options: CallOptions) -> Any:
        return run_blocking(self._dispatcher.call_signature(model, signature_call, **options))
