"""Loading of a version: its session, its batching, its warm-up requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from aae_tf.export.saved_model_session import SavedModelSession
from aae_tf.export.warmup import MAX_REQUESTS, WARMUP_FILE
from aae_tf.serving.errors import ServingError, from_op_error, invalid_argument
from aae_tf.serving.models.predict import run_request
from aae_tf.serving.models.servable import Runner, Servable

Wrap = Callable[[SavedModelSession, Path], Runner]


class VersionLoader:
    """Loads a version into a session, puts batching before it, and runs its warm-up requests.

    Args:
        max_bytes: Largest input that a warm-up request may ask to make, in bytes.
        warm: Whether to run the warm-up requests.
        wrap: Gives what requests run through, for a session and the folder that it came from.
            Defaults to the session itself.
    """

    def __init__(self, max_bytes: int, warm: bool = True, wrap: Wrap | None = None) -> None:
        self._max_bytes = max_bytes
        self._warm = warm
        self._wrap = wrap

    def __call__(self, name: str, version: int, path: Path) -> Servable:
        """Loads one version.

        Raises:
            ServingError: It must not serve; with the code that the real server would report.
        """
        session = _open(path)
        try:
            runner = self._wrap(session, path) if self._wrap else session
        except (OSError, ValueError) as error:
            session.close()
            raise invalid_argument(f"{path}: {error}") from error
        servable = Servable(name, version, session, runner)
        if self._warm:
            try:
                warm_up(servable, path, self._max_bytes)
            except BaseException:
                servable.retire(lambda: None)
                raise
        return servable


def warm_up(servable: Servable, path: Path, max_bytes: int) -> None:
    """Runs every request of `assets.extra/tf_serving_warmup_requests`; without one does nothing.

    Args:
        servable: The version.
        path: Its folder.
        max_bytes: Largest input to make, in bytes.

    Raises:
        ServingError: DATA_LOSS if the file is no TFRecord, INVALID_ARGUMENT for a record that
            cannot be read or more than 1,000 of them, UNIMPLEMENTED for one that is not of
            Predict, and whatever a request gets: the version must not serve then.

    References:
        TensorFlow Serving, "SavedModel Warmup".
    """
    file = path / WARMUP_FILE
    if not file.exists():
        return
    for number, request in enumerate(_requests(file)):
        if number >= MAX_REQUESTS:
            raise invalid_argument(
                f"Expected at most {MAX_REQUESTS} warm-up records. Received: more in {file}."
            )
        try:
            run_request(servable, request, max_bytes)
        except ServingError as error:
            raise ServingError(
                error.code, f"Warm-up request {number} of {file} fails: {error.message}"
            ) from error


def _requests(file: Path) -> Iterator[PredictRequest]:
    try:
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            log = PredictionLog.FromString(record)
            if log.WhichOneof("log_type") != "predict_log":
                raise ServingError(
                    grpc.StatusCode.UNIMPLEMENTED,
                    f"Expected warm-up records of Predict. Received: {log.WhichOneof('log_type')} "
                    f"in {file}.",
                )
            yield log.predict_log.request
    except DecodeError as error:
        raise invalid_argument(f"Failed to parse warmup record in {file}: {error}") from error
    except tf.errors.OpError as error:
        raise from_op_error(error) from error


def _open(path: Path) -> SavedModelSession:
    try:
        return SavedModelSession(path)
    except ValueError as error:
        cause, code = error.__cause__, grpc.StatusCode.INVALID_ARGUMENT
        if isinstance(cause, tf.errors.OpError):
            code = from_op_error(cause).code
        elif not (path / "saved_model.pb").exists():
            code = grpc.StatusCode.NOT_FOUND
        raise ServingError(code, str(error)) from error
