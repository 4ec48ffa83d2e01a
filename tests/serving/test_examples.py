"""Classify, Regress and MultiInference over both protocols, after the real server's own tests."""

import json
from http.client import HTTPConnection
from pathlib import Path

import grpc
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from aae_tf.serving import ModelServer

METHODS = {
    name: f"tensorflow/serving/{name.partition('_')[0]}"
    for name in ("classify", "regress", "classify_odd", "regress_odd", "classify_pair")
}


class Halves(tf.Module):
    """y = x / 2 + 2 of the feature x, as a score, as a number, and in forms that do not fit."""

    def save(self, path: Path) -> None:
        def read(inputs):
            features = {"x": tf.io.FixedLenFeature([1], tf.float32, 0.0)}
            return tf.io.parse_example(inputs, features)["x"] / 2.0 + 2.0

        def labels(inputs):
            return tf.tile([["low", "high"]], [tf.size(inputs), 1])

        functions = {
            "classify": lambda inputs: {
                "classes": labels(inputs),
                "scores": tf.concat([-read(inputs), read(inputs)], axis=1),
            },
            "regress": lambda inputs: {"outputs": read(inputs)},
            "classify_odd": lambda inputs: {"scores": read(inputs)[:, 0]},
            "regress_odd": lambda inputs: {"outputs": tf.tile(read(inputs), [1, 2])},
            "classify_pair": lambda inputs: {"values": read(inputs)},
            "predict": lambda inputs: {"outputs": read(inputs)},
        }
        spec = tf.TensorSpec([None], tf.string, name="inputs")
        signatures = {
            name: tf.function(function, autograph=False).get_concrete_function(spec)
            for name, function in functions.items()
        }
        tf.saved_model.save(self, str(path), signatures=signatures)
        saved = SavedModel.FromString((path / "saved_model.pb").read_bytes())
        for name, method in METHODS.items():
            saved.meta_graphs[0].signature_def[name].method_name = method
        (path / "saved_model.pb").write_bytes(saved.SerializeToString())


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp("examples")
    Halves().save(root / "halves" / "3")
    with ModelServer(root) as server:
        yield server


@pytest.fixture(scope="module")
def stub(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        yield PredictionServiceStub(channel)


def fill(request, signature, xs=(2.0, 4.0), context=None):
    request.model_spec.name = "halves"
    request.model_spec.signature_name = signature
    add_examples(request.input, xs, context)
    return request


def add_examples(examples, xs, context=None):
    if context is None:
        into = examples.example_list.examples
    else:
        into = examples.example_list_with_context.examples
        shared = examples.example_list_with_context.context
        shared.features.feature["x"].float_list.value.append(context)
    for x in xs:
        example = into.add()
        if x is not None:
            example.features.feature["x"].float_list.value.append(x)


def test_classify(stub):
    response = stub.Classify(fill(ClassificationRequest(), "classify"), timeout=30)
    found = [
        [(each.label, each.score) for each in entry.classes]
        for entry in response.result.classifications
    ]
    assert found == [[("low", -3.0), ("high", 3.0)], [("low", -4.0), ("high", 4.0)]]
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("halves", 3, "classify")


def test_regress_with_a_context(stub):
    request = fill(RegressionRequest(), "regress", xs=(2.0, None), context=8.0)
    response = stub.Regress(request, timeout=30)
    assert [each.value for each in response.result.regressions] == [3.0, 6.0]


def test_multi_inference(stub):
    request = MultiInferenceRequest()
    for name in ("regress", "classify"):
        task = request.tasks.add(method_name=METHODS[name])
        task.model_spec.name, task.model_spec.signature_name = "halves", name
    add_examples(request.input, [2.0])
    first, second = stub.MultiInference(request, timeout=30).results
    assert [each.value for each in first.regression_result.regressions] == [3.0]
    assert second.classification_result.classifications[0].classes[1].score == 3.0
    assert second.model_spec.signature_name == "classify"
    for change, message in (
        (lambda: request.tasks.add().CopyFrom(request.tasks[0]), "Duplicate evaluation of sig"),
        (lambda: setattr(request.tasks[2].model_spec, "name", "b"), "must access one model"),
        (lambda: request.ClearField("tasks"), "at least one task"),
        (
            lambda: request.tasks.add(method_name="x").model_spec.MergeFrom(first.model_spec),
            "Unsupported signature method_name: x",
        ),
    ):
        change()
        with pytest.raises(grpc.RpcError, match=message):
            stub.MultiInference(request, timeout=30)


@pytest.mark.parametrize(
    ("method", "signature", "xs", "message"),
    [
        ("Classify", "predict", (2.0,), "method_name to be tensorflow/serving/classify. Was: ten"),
        ("Classify", "regress", (2.0,), "method_name to be tensorflow/serving/classify"),
        ("Regress", "classify", (2.0,), "method_name to be tensorflow/serving/regress"),
        ("Regress", "no", (2.0,), "No signature was found with the name: no"),
        ("Classify", "classify", (), "Input is empty"),
        ("Classify", "classify_odd", (2.0,), r"Expected Tensor shape: \[batch_size num_classes\]"),
        ("Classify", "classify_pair", (2.0,), "Expected a signature from 'inputs' to classes or"),
        ("Regress", "regress_odd", (2.0,), r"one per example\. Got: float32, \(1, 2\)"),
    ],
)
def test_what_does_not_fit(stub, method, signature, xs, message):
    kind = ClassificationRequest if method == "Classify" else RegressionRequest
    with pytest.raises(grpc.RpcError, match=message) as caught:
        getattr(stub, method)(fill(kind(), signature, xs), timeout=30)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.fixture(scope="module")
def post(server):
    connection = HTTPConnection("127.0.0.1", server.rest_port, timeout=30.0)

    def post(verb, document):
        connection.request("POST", f"/v1/models/halves:{verb}", json.dumps(document))
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    yield post
    connection.close()


def test_rest(post):
    document = {"signature_name": "classify", "examples": [{"x": 2.0}, {"x": [4.0]}]}
    expected = [[["low", -3.0], ["high", 3.0]], [["low", -4.0], ["high", 4.0]]]
    assert post("classify", document) == (200, {"results": expected})
    document = {"signature_name": "regress", "examples": [{"x": 2.0}, {}], "context": {"x": 8.0}}
    assert post("regress", document) == (200, {"results": [3.0, 6.0]})
    features = {"x": 2.0, "i": [1, True], "s": ["a", {"b64": "AA=="}]}
    document = {"signature_name": "regress", "examples": [features]}
    assert post("regress", document) == (200, {"results": [3.0]})


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "key 'examples' is expected to be a list"),
        ({"examples": []}, "a list that is not empty"),
        ({"examples": [1]}, "Expected an example to be an object"),
        ({"examples": [{"x": None}]}, "Feature: x has element with unexpected JSON type"),
        ({"examples": [{"x": [1.0, 1]}]}, "Unexpected element type in feature: x"),
        ({"examples": [{"x": 2**64}]}, "Feature: x: "),
        ({"examples": [{"x": 1.0}], "signature_name": 1}, "must be a string value"),
    ],
)
def test_rest_errors(post, document, message):
    status, answer = post("regress", {"signature_name": "regress", **document})
    assert status == 400
    assert message in answer["error"]


def test_examples_count_as_rows(server):
    with ModelServer(server.root, max_rows=1) as small:
        connection = HTTPConnection("127.0.0.1", small.rest_port, timeout=30.0)
        document = {"signature_name": "regress", "examples": [{"x": 1.0}] * 2}
        connection.request("POST", "/v1/models/halves:regress", json.dumps(document))
        assert connection.getresponse().status == 413
        connection.close()
