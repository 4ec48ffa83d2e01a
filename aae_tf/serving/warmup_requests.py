"""Runs the requests that a version brings with it, before it serves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from aae_tf.export.warmup import MAX_REQUESTS, WARMUP_FILE
from aae_tf.serving.errors import ServingError, from_op_error, invalid_argument
from aae_tf.serving.predict import run_request
from aae_tf.serving.servable import Servable


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
