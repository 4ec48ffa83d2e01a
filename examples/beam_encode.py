"""Encodes TFRecord files on a cluster, with Apache Beam.

    python examples/beam_encode.py --export saved_models/mnist/encoder/1 \\
        --input 'images-*.tfrecord' --output codes/part --feature image --divide-by 255 \\
        --runner FnApiRunner

Each record is a tf.train.Example. It comes out with all its features, and with the codes as more of
them: Beam keeps no order, so what tells records apart must be in them. Runners, and the environment
that this needs: docs/offline.md.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
from apache_beam.ml.inference.base import ModelHandler, PredictionResult, RunInference
from apache_beam.options.pipeline_options import PipelineOptions

from aae_tf.export import SavedModelSession
from aae_tf.offline import RecordDecoder


class Encoder:
    """A signature of an export, run on serialised Examples.

    Args:
        export: path of a version.
        signature: takes one float32 array.
        feature: name of the feature that holds the rows; None for the only one.
        divide_by: what the numbers are divided by, None for nothing.
    """

    def __init__(
        self, export: str, signature: str, feature: str | None, divide_by: float | None
    ) -> None:
        self.session = SavedModelSession(export)
        self.signature = signature
        self.feature = feature
        self.divide_by = divide_by
        ((self.input, info),) = self.session.signatures[signature].inputs.items()
        self.shape = [dim.size for dim in info.tensor_shape.dim[1:]]
        # How records are decoded is learned from the first one.
        self.decoder: RecordDecoder | None = None

    def run(self, records: Sequence[bytes]) -> dict[str, np.ndarray]:
        """Gives the outputs, a row for each record."""
        if self.decoder is None:
            self.decoder = RecordDecoder(records[0], self.shape, self.feature)
        rows = self.decoder.decode(records).numpy()
        if self.divide_by is None and rows.dtype.kind != "f":
            raise ValueError(f"Expected --divide-by where rows are {rows.dtype}. Received: none.")
        inputs = rows.astype(np.float32) / np.float32(self.divide_by or 1.0)
        if not np.isfinite(inputs).all():
            raise ValueError("Expected rows to be finite. Received: NaN or infinite values.")
        return self.session.run(self.signature, {self.input: inputs})


class EncoderHandler(ModelHandler[bytes, PredictionResult, Encoder]):
    """Tells Beam how to load and run an `Encoder`.

    Beam's own handler for TensorFlow calls `keras.models.load_model`, which refuses SavedModels
    since Keras 3.

    Args:
        arguments: those of `Encoder`; every worker must be able to read the export.
        **batching: how Beam makes batches, such as `min_batch_size` and `max_batch_size`.
    """

    def __init__(self, arguments: dict[str, Any], **batching: Any) -> None:
        super().__init__(**batching)
        self.arguments = arguments

    def load_model(self) -> Encoder:
        """Loads the export, once for each process."""
        return Encoder(**self.arguments)

    def run_inference(
        self, batch: Sequence[bytes], model: Encoder, inference_args: Any = None
    ) -> Iterator[PredictionResult]:
        """Gives each record with its row of every output."""
        outputs = model.run(batch)
        for i, record in enumerate(batch):
            row = {name: values[i] for name, values in outputs.items()}
            yield PredictionResult(record, row, self.arguments["export"])

    def get_num_bytes(self, batch: Sequence[bytes]) -> int:
        """Gives the size of a batch, for Beam's metrics."""
        return sum(map(len, batch))


def add_features(result: PredictionResult) -> bytes:
    """Writes the outputs into the Example that they belong to."""
    example = tf.train.Example.FromString(result.example)
    for name, values in result.inference.items():
        feature = example.features.feature[name]
        numbers = feature.float_list if values.dtype.kind == "f" else feature.int64_list
        numbers.value[:] = values.ravel().tolist()
    return example.SerializeToString()


def main(arguments: Iterable[str] | None = None) -> None:
    """Runs the pipeline; options that are not listed are Beam's."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--export", required=True, help="path of a version of the encoder")
    parser.add_argument("--input", required=True, help="pattern of TFRecord files")
    parser.add_argument("--output", required=True, help="first part of the names of the new files")
    parser.add_argument("--signature", default="encode")
    parser.add_argument("--feature", help="which one holds the rows; the only one by default")
    parser.add_argument("--divide-by", type=float, help="255 turns 8-bit pixels into [0, 1]")
    parser.add_argument("--batch-size", type=int, default=1024)
    own, others = parser.parse_known_args(arguments)
    encoder = {
        "export": own.export,
        "signature": own.signature,
        "feature": own.feature,
        "divide_by": own.divide_by,
    }
    handler = EncoderHandler(encoder, min_batch_size=own.batch_size, max_batch_size=own.batch_size)
    with beam.Pipeline(options=PipelineOptions(others)) as pipeline:
        (
            pipeline
            | beam.io.ReadFromTFRecord(own.input)
            | RunInference(handler)
            | beam.Map(add_features)
            | beam.io.WriteToTFRecord(own.output, file_name_suffix=".tfrecord")
        )


if __name__ == "__main__":
    main()
