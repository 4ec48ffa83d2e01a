"""The warm-up file: requests that TensorFlow Serving runs before a version becomes available."""

import os
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import Message

from aae_tf.export.exportable import Signature
from aae_tf.export.serving_protos import make_message

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
    that these are all the shapes that it runs. A server that cannot run a warm-up request refuses
    to load the version; without the file, the first client would get the error.

    Args:
        path: directory of the SavedModel.
        signatures: what it serves, by name; the first is the default.
        batch_sizes: rows of the requests; each is written as one zero, or empty text, that stands
            for all values.

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
                log = _make_log(name, signature, rows)
                writer.write(log.SerializeToString(deterministic=True))


def check_num_requests(signatures: dict[str, Signature], batch_sizes: Sequence[int]) -> None:
    """Checks that there are no more warm-up requests than a server accepts.

    Raises:
        ValueError: if there would be more than 1000.
    """
    number = (len(signatures) + 1) * len(batch_sizes)
    if number > MAX_REQUESTS:
        raise ValueError(
            f"Expected `allowed_batch_sizes` to make at most {MAX_REQUESTS} warm-up requests, one "
            f"for each size and each of {len(signatures) + 1} signatures. "
            f"Received: len(allowed_batch_sizes)={len(batch_sizes)}, which makes {number}."
        )


def _make_log(name: str, signature: Signature, rows: int) -> Message:
    log = make_message("PredictionLog")
    request = log.predict_log.request
    request.model_spec.signature_name = name
    for key, spec in signature.inputs.items():
        zero = "" if spec.dtype == tf.string else 0
        zeros = tf.make_tensor_proto(zero, spec.dtype, (rows, *spec.shape[1:]))
        # As bytes: the message of the other descriptor pool is of another class.
        request.inputs[key].ParseFromString(zeros.SerializeToString())
    return log
