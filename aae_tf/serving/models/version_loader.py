"""Loading of a version: its session, its batching, its warm-up requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from aae_tf.export.model_card import MODEL_CARD
from aae_tf.export.saved_model_session import SavedModelSession
from aae_tf.export.warmup import MAX_REQUESTS, WARMUP_FILE
from aae_tf.serving.errors import ServingError, from_op_error, invalid_argument
from aae_tf.serving.models.examples import classify, multi_inference, regress
from aae_tf.serving.models.predict import run_request
from aae_tf.serving.models.request_rows import RequestLimits, RowSlices
from aae_tf.serving.models.servable import Runner, Servable

# What runs the request of each kind of warm-up record.
_RUNS: dict[str, Callable[..., Any]] = {
    "predict_log": run_request,
    "classify_log": classify,
    "regress_log": regress,
    "multi_inference_log": multi_inference,
}

Wrap = Callable[[SavedModelSession, Path], Runner]
Watch = Callable[[str, Runner, Path], Runner]


class VersionLoader:
    """Loads a version into a session, puts batching before it, and runs its warm-up requests.

    Args:
        limits: What a warm-up request may ask for.
        warm: Whether to run the warm-up requests.
        wrap: Gives what requests run through, for a session and the folder that it came from.
            Defaults to the session itself.
        watch: Gives what requests run through after the warm-up, for the name of the model, what
            they ran through before, and the folder. Defaults to the same.
    """

    def __init__(
        self,
        limits: RequestLimits,
        warm: bool = True,
        wrap: Wrap | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._limits = limits
        self._warm = warm
        self._wrap = wrap
        self._watch = watch

    def __call__(self, name: str, version: int, path: Path) -> Servable:
        """Loads one version.

        Raises:
            ServingError: It must not serve; with the code that the real server would report.
        """
        session = _open(path)
        try:
            runner: Runner = session
            if self._wrap is not None:
                runner = self._wrap(session, path)
            elif (path / MODEL_CARD).exists():
                runner = RowSlices(session)  # an export of this package is row-wise
        except (OSError, ValueError) as error:
            session.close()
            raise invalid_argument(f"{path}: {error}") from error
        servable = Servable(name, version, session, runner)
        if self._warm:
            try:
                warm_up(servable, path, self._limits)
            except BaseException:
                servable.retire(lambda: None)
                raise
        if self._watch is not None:
            servable.runner = self._watch(name, servable.runner, path)
        return servable


def warm_up(servable: Servable, path: Path, limits: RequestLimits) -> None:
    """Runs every request of `assets.extra/tf_serving_warmup_requests`; without one does nothing.

    Records of Predict, Classify, Regress and MultiInference run; those without a request are
    skipped.

    Args:
        servable: The version.
        path: Its folder.
        limits: What a request may ask for.

    Raises:
        ServingError: DATA_LOSS if the file is no TFRecord, INVALID_ARGUMENT for a record that
            cannot be read or more than 1,000 of them, UNIMPLEMENTED for one of a session or a
            stream, and whatever a request gets: the version must not serve then.

    References:
        TensorFlow Serving, "SavedModel Warmup".
    """
    file = path / WARMUP_FILE
    if not file.exists():
        return
    for number, log in enumerate(_records(file)):
        if number >= MAX_REQUESTS:
            raise invalid_argument(
                f"Expected at most {MAX_REQUESTS} warm-up records. Received: more in {file}."
            )
        kind = log.WhichOneof("log_type")
        run = _RUNS.get(kind)
        if run is None and kind is not None:
            raise ServingError(
                grpc.StatusCode.UNIMPLEMENTED,
                f"Expected warm-up records of requests. Received: {kind} in {file}.",
            )
        if run is None or not getattr(log, kind).HasField("request"):
            continue
        try:
            run(servable, getattr(log, kind).request, limits)
        except ServingError as error:
            raise ServingError(
                error.code, f"Warm-up request {number} of {file} fails: {error.message}"
            ) from error


def _records(file: Path) -> Iterator[PredictionLog]:
    try:
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            yield PredictionLog.FromString(record)
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
