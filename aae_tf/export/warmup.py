"""Requests that TensorFlow Serving runs before it makes a version available."""

import os
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from aae_tf.export.exportable import Signature

WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
# A server refuses a version with more.
MAX_REQUESTS = 1000


def write_warmup_requests(
    path: str | os.PathLike[str],
    signatures: dict[str, Signature],
    batch_sizes: Sequence[int] = (1,),
) -> None:
    """Writes one request for each signature, and for the default one, in each batch size.

    A server with batching has a queue for each signature and pads a batch to an allowed size, so
    that these are all the shapes it ever runs. The file also guards a version: a server that cannot
    run a warm-up request refuses to load the version, where without the file the first client would
    find out.

    Args:
        path: directory of the SavedModel.
        signatures: what it serves, by name; the first is the default.
        batch_sizes: rows of the requests; each is written as one zero that stands for all values.

    Raises:
        ValueError: if there would be more requests than a server accepts.

    References:
        TensorFlow Serving, "SavedModel Warmup": assets.extra/tf_serving_warmup_requests.
    """
    check_num_requests(signatures, batch_sizes)
    file = Path(path) / WARMUP_FILE
    file.parent.mkdir(exist_ok=True)
    default = next(iter(signatures.values()))
    with tf.io.TFRecordWriter(str(file)) as writer:
        for name, signature in {"": default, **signatures}.items():
            for rows in batch_sizes:
                request = _request(name, signature, rows)
                log = prediction_log_pb2.PredictionLog(
                    predict_log=prediction_log_pb2.PredictLog(request=request)
                )
                writer.write(log.SerializeToString())


def check_num_requests(signatures: dict[str, Signature], batch_sizes: Sequence[int]) -> None:
    """Refuses more requests than a server accepts: it does not load the version with the 1001st.

    Raises:
        ValueError: if it is so.
    """
    number = (len(signatures) + 1) * len(batch_sizes)
    if number > MAX_REQUESTS:
        raise ValueError(
            f"Expected `allowed_batch_sizes` to make at most {MAX_REQUESTS} warm-up requests, one "
            f"for each size and each of {len(signatures) + 1} signatures. "
            f"Received: len(allowed_batch_sizes)={len(batch_sizes)}, which makes {number}."
        )


def _request(name: str, signature: Signature, rows: int) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = name
    for key, spec in signature.inputs.items():
        zeros = tf.make_tensor_proto(0, spec.dtype, (rows, *spec.shape[1:]))
        request.inputs[key].CopyFrom(zeros)
    return request
