"""Requests that TensorFlow Serving runs before it makes a version available."""

import os
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from aae_tf.export.signatures import Signature


def write_warmup_requests(path: str | os.PathLike[str], signatures: dict[str, Signature]) -> None:
    """Writes one request of one row for each signature and for the default one.

    The file also guards a version: a server that cannot run a warm-up request refuses to load
    the version, where without the file the first client would find out.

    Args:
        path: directory of the SavedModel.
        signatures: what it serves, by name; the first is the default.

    References:
        TensorFlow Serving, "SavedModel Warmup": assets.extra/tf_serving_warmup_requests.
    """
    file = Path(path) / "assets.extra" / "tf_serving_warmup_requests"
    file.parent.mkdir(exist_ok=True)
    default = next(iter(signatures.values()))
    with tf.io.TFRecordWriter(str(file)) as writer:
        for name, signature in {"": default, **signatures}.items():
            request = predict_pb2.PredictRequest()
            request.model_spec.signature_name = name
            for key, spec in signature.inputs.items():
                row = np.zeros((1, *spec.shape[1:]), spec.dtype.as_numpy_dtype)
                request.inputs[key].CopyFrom(tf.make_tensor_proto(row))
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())
