"""Case 91: what a version's warm-up file does to its loading."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from aae_tf.export.saved_model_session import SavedModelSession
from aae_tf.export.warmup import WARMUP_FILE
from aae_tf.serving import ServingError
from aae_tf.serving.models.request_rows import RequestLimits
from aae_tf.serving.models.servable import Servable
from aae_tf.serving.models.version_loader import VersionLoader, warm_up


class Recorder:
    """Runs nothing, notes what it is asked to run."""

    def __init__(self):
        self.runs = []

    def run(self, signature_name, inputs, outputs=None, timeout=None):
        self.runs.append((signature_name, {k: v.tolist() for k, v in inputs.items()}, outputs))
        return {}

    def close(self):
        pass


LIMITS = RequestLimits(2**20)


@pytest.fixture(scope="module")
def session(root):
    with SavedModelSession(root / "linear" / "1") as session:
        yield session


@pytest.fixture
def linear(session):
    return Servable("linear", 1, session, Recorder())


def predict(signature_name="", output_filter=(), **inputs) -> PredictionLog:
    request = PredictRequest(output_filter=output_filter)
    request.model_spec.name = "of another model"
    request.model_spec.version.value = 99
    request.model_spec.signature_name = signature_name
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(np.float32(value)))
    log = PredictionLog()
    log.predict_log.request.CopyFrom(request)
    return log


GOOD = predict(a=[[1.0, 2.0]], b=[3.0])


STREAM = PredictionLog()
STREAM.predict_streamed_log.SetInParent()


def write(folder, records) -> None:
    file = folder / WARMUP_FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for record in records:
            writer.write(record if isinstance(record, bytes) else record.SerializeToString())


def test_no_file_and_an_empty_file_are_fine(linear, tmp_path):
    warm_up(linear, tmp_path, LIMITS)
    write(tmp_path, [])
    warm_up(linear, tmp_path, LIMITS)
    assert linear.runner.runs == []


def test_requests_run_in_order_with_their_signature_and_filter(linear, tmp_path):
    write(tmp_path, [GOOD, predict("serving_default", ["total"], a=[[0.0, 0.0]], b=[1.0])])
    warm_up(linear, tmp_path, LIMITS)
    assert linear.runner.runs == [
        ("serving_default", {"a": [[1.0, 2.0]], "b": [3.0]}, None),
        ("serving_default", {"a": [[0.0, 0.0]], "b": [1.0]}, ["total"]),
    ]


@pytest.mark.parametrize(
    ("records", "code", "message"),
    [
        ([b"garbage"], "INVALID_ARGUMENT", "Failed to parse warmup record"),
        ([GOOD] * 1001, "INVALID_ARGUMENT", "Expected at most 1000 warm-up records"),
        ([STREAM], "UNIMPLEMENTED", r"records of requests\. Received: predict_streamed_log"),
        (
            [GOOD, predict("no")],
            "FAILED_PRECONDITION",
            'Warm-up request 1 of .* fails: Serving signature key "no" not found',
        ),
        ([predict(a=[1.0] * 2**18, b=[1.0])], "RESOURCE_EXHAUSTED", "at most 1048576 bytes"),
    ],
)
def test_what_keeps_a_version_from_serving(linear, tmp_path, records, code, message):
    write(tmp_path, records)
    with pytest.raises(ServingError, match=message) as caught:
        warm_up(linear, tmp_path, LIMITS)
    assert caught.value.code is grpc.StatusCode[code]


def test_records_without_a_request_are_skipped(linear, tmp_path):
    others = [PredictionLog(), PredictionLog(), PredictionLog()]
    others[1].classify_log.SetInParent()
    others[2].predict_log.SetInParent()
    write(tmp_path, [*others, GOOD])
    warm_up(linear, tmp_path, LIMITS)
    assert len(linear.runner.runs) == 1


@pytest.mark.parametrize("kind", ["classify_log", "regress_log"])
def test_records_of_examples_run(linear, tmp_path, kind):
    log = PredictionLog()
    getattr(log, kind).request.model_spec.name = "linear"
    write(tmp_path, [log])
    message = "Warm-up request 0 of .* method_name to be .*Was: tensorflow/serving/predict"
    with pytest.raises(ServingError, match=message):
        warm_up(linear, tmp_path, LIMITS)


def test_1000_records_are_not_too_many(linear, tmp_path):
    write(tmp_path, [GOOD] * 1000)
    warm_up(linear, tmp_path, LIMITS)
    assert len(linear.runner.runs) == 1000


def test_a_text_file_is_data_loss(linear, tmp_path):
    (tmp_path / WARMUP_FILE).parent.mkdir()
    (tmp_path / WARMUP_FILE).write_text("this is a text and no TFRecord at all")
    with pytest.raises(ServingError, match="corrupted") as caught:
        warm_up(linear, tmp_path, LIMITS)
    assert caught.value.code is grpc.StatusCode.DATA_LOSS


class TestVersionLoader:
    @pytest.fixture
    def version(self, root, tmp_path):
        """A copy of a version that a test may change."""
        tf.io.gfile.makedirs(str(tmp_path / "1" / "variables"))
        for path in (root / "linear" / "1").rglob("*"):
            if path.is_file():
                target = tmp_path / "1" / path.relative_to(root / "linear" / "1")
                target.write_bytes(path.read_bytes())
        return tmp_path / "1"

    def test_loads(self, version):
        write(version, [GOOD])
        servable = VersionLoader(LIMITS)("linear", 1, version)
        outputs = servable.runner.run(
            "serving_default", {"a": np.float32([[1, 1]]), "b": np.float32([10])}
        )
        assert outputs["total"] == [31.0]
        servable.retire(lambda: None)

    def test_a_failing_request_keeps_it_from_serving_unless_warm_up_is_off(self, version):
        write(version, [predict(a=[[1.0, 2.0, 3.0]], b=[0.0])])
        with pytest.raises(ServingError, match="Matrix size-incompatible") as caught:
            VersionLoader(LIMITS)("linear", 1, version)
        assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
        VersionLoader(100, warm=False)("linear", 1, version).retire(lambda: None)

    @pytest.mark.parametrize(
        ("damage", "code"),
        [
            (lambda path: (path / "saved_model.pb").unlink(), "NOT_FOUND"),
            # The real server's loader: NOT_FOUND.
            (lambda path: next(path.glob("variables/*.data*")).unlink(), "UNKNOWN"),
            # The real server's loads it, and every request fails.
            (lambda path: next(path.glob("variables/*.index")).unlink(), "INVALID_ARGUMENT"),
            (lambda path: next(path.glob("variables/*.data*")).write_bytes(b"1"), "OUT_OF_RANGE"),
        ],
    )
    def test_codes_of_partial_versions(self, version, damage, code):
        damage(version)
        with pytest.raises(ServingError, match="a SavedModel that loads in a session") as caught:
            VersionLoader(LIMITS)("linear", 1, version)
        assert caught.value.code is grpc.StatusCode[code]

    def test_the_session_is_closed_where_batching_refuses(self, version):
        sessions = []

        def wrap(session, path):
            sessions.append(session)
            raise ValueError("Last entry in allowed_batch_sizes must match")

        with pytest.raises(ServingError, match=r"INVALID_ARGUMENT: .*Last entry"):
            VersionLoader(100, wrap=wrap)("linear", 1, version)
        with pytest.raises((RuntimeError, tf.errors.CancelledError)):
            sessions[0].run("serving_default", {"a": np.ones((1, 2), "f"), "b": np.ones(1, "f")})
