"""gRPC against the serving API's raw stubs. Numbers in ids are the protocol's conformance cases."""

import re
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc import StatusCode
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    predict_pb2,
)
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from aae_tf.export.saved_model_session import SavedModelSession
from aae_tf.serving import ServingError
from aae_tf.serving.admission import Workers
from aae_tf.serving.grpc import grpc_front
from aae_tf.serving.models import tensor_proto
from aae_tf.serving.models.predict import run_signature
from aae_tf.serving.models.servable import Servable

X = {"x": np.float32([2.0, 3.0])}


@pytest.fixture(scope="module")
def stubs(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        yield PredictionServiceStub(channel), ModelServiceStub(channel)


@pytest.fixture(scope="module")
def predict(stubs):
    def predict(model, inputs, signature="", version=None, label=None, outputs=(), timeout=30.0):
        request = predict_pb2.PredictRequest(output_filter=outputs)
        request.model_spec.name = model
        request.model_spec.signature_name = signature
        if version is not None:
            request.model_spec.version.value = version
        if label is not None:
            request.model_spec.version_label = label
        for name, value in inputs.items():
            proto = value if hasattr(value, "dtype") and isinstance(value.dtype, int) else None
            request.inputs[name].CopyFrom(proto or tf.make_tensor_proto(value))
        return stubs[0].Predict(request, timeout=timeout)

    return predict


def assert_refused(code, message, call, *arguments, **keywords):
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **keywords)
    assert caught.value.code() is code
    assert re.search(message, caught.value.details()), caught.value.details()


@pytest.mark.parametrize("outputs", [[], ["y"]])
@pytest.mark.parametrize("version", [None, 123])
@pytest.mark.parametrize("signature", ["", "serving_default"])
def test_60_predict(predict, outputs, version, signature):
    response = predict("hp2", X, signature, version, outputs=outputs)
    assert list(response.outputs) == ["y"]
    assert list(response.outputs["y"].float_val) == [3.0, 3.5]
    assert response.outputs["y"].tensor_content == b""
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("hp2", 123, "serving_default")
    assert not spec.HasField("version_label")


def test_output_filter_keeps_what_it_names(predict):
    inputs = {"a": np.float32([[1, 0]]), "b": np.float32([10])}
    assert set(predict("linear", inputs).outputs) == {"product", "total"}
    response = predict("linear", inputs, outputs=["total"])
    assert {name: list(proto.float_val) for name, proto in response.outputs.items()} == {
        "total": [16.0]
    }


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(("", X), StatusCode.INVALID_ARGUMENT, "has no name specified", id="61-empty"),
        pytest.param(
            ("intentionally_missing", X), StatusCode.NOT_FOUND, "Servable not found", id="61-probe"
        ),
        pytest.param(
            ("no", X, "", 1), StatusCode.NOT_FOUND, r"request: Specific\(no, 1\)", id="unknown"
        ),
        pytest.param(
            ("hp2", X, "", 0), StatusCode.NOT_FOUND, r"request: Specific\(hp2, 0\)", id="version-0"
        ),
        pytest.param(
            ("hp2", X, "", -1), StatusCode.NOT_FOUND, r"Specific\(hp2, -1\)", id="version-negative"
        ),
        pytest.param(
            ("hp2", {}),
            StatusCode.INVALID_ARGUMENT,
            r"input size does not match signature: 0!=1 len\({}\) != len\({x}\)\. "
            r"Sent extra: {}\. Missing but required: {x}\.",
            id="62",
        ),
        pytest.param(
            ("hp2", {**X, "z": 1.0}),
            StatusCode.INVALID_ARGUMENT,
            r"2!=1 .* Sent extra: {z}\. Missing but required: {}",
            id="63",
        ),
        pytest.param(
            ("hp2", {"z": 1.0}),
            StatusCode.INVALID_ARGUMENT,
            "Signature input alias: x not found in request",
            id="64",
        ),
        pytest.param(
            ("hp2", {"x": True}),
            StatusCode.INVALID_ARGUMENT,
            r"Expects arg\[0\] to be float but bool is provided",
            id="65-bool",
        ),
        pytest.param(
            ("hp2", {"x": "a"}),
            StatusCode.INVALID_ARGUMENT,
            r"Expects arg\[0\] to be float but string is provided",
            id="65-string",
        ),
        pytest.param(
            ("hp2", {"x": np.float64([1])}),
            StatusCode.INVALID_ARGUMENT,
            r"Expects arg\[0\] to be float but double is provided",
            id="65-double",
        ),
        pytest.param(
            ("hp2", {"x": tf.make_tensor_proto([1.0]).FromString(b"")}),
            StatusCode.INVALID_ARGUMENT,
            "tensor parsing error: x",
            id="66",
        ),
        pytest.param(
            ("hp2", X, "S"),
            StatusCode.FAILED_PRECONDITION,
            'Serving signature key "S" not found.',
            id="67",
        ),
        pytest.param(
            ("kinds", X),
            StatusCode.FAILED_PRECONDITION,
            '"serving_default" not found',
            id="67-none",
        ),
        pytest.param(
            ("hp2", X, "", None, "stable"),
            StatusCode.INVALID_ARGUMENT,
            "Unrecognized servable version label: stable",
            id="68",
        ),
        pytest.param(
            ("hp2", X, "", None, None, ["z"]),
            StatusCode.INVALID_ARGUMENT,
            r"output tensor alias not found in signature: z Outputs .* in the set {y}\.",
            id="filter-unknown",
        ),
        pytest.param(
            ("hp2", X, "", None, None, ["y", "y"]),
            StatusCode.INVALID_ARGUMENT,
            "duplicate output tensor alias: y",
            id="filter-duplicate",
        ),
        pytest.param(
            ("linear", {"a": np.float32([[1, 2, 3]]), "b": np.float32([1])}),
            StatusCode.INVALID_ARGUMENT,
            "Matrix size-incompatible",
            id="wrong-shape",
        ),
        pytest.param(
            ("hp2", {}, "__saved_model_init_op"),
            StatusCode.INVALID_ARGUMENT,
            "is the loader's, not for requests",
            id="init-op",
        ),
    ],
)
def test_predict_refused(predict, arguments, code, message):
    assert_refused(code, message, predict, *arguments)


@pytest.mark.parametrize(
    ("service", "method", "request_"),
    [
        (0, "Predict", predict_pb2.PredictRequest()),
        (
            0,
            "GetModelMetadata",
            get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"]),
        ),
        (1, "GetModelStatus", get_model_status_pb2.GetModelStatusRequest()),
    ],
)
def test_61_71_a_request_without_a_model_spec(stubs, service, method, request_):
    call = getattr(stubs[service], method)
    assert_refused(StatusCode.INVALID_ARGUMENT, "^Missing ModelSpec$", call, request_)


def test_reloading_is_off_by_default(stubs):
    call = stubs[1].HandleReloadConfigRequest
    request = model_management_pb2.ReloadConfigRequest()
    assert_refused(StatusCode.PERMISSION_DENIED, "^Reloading is off: start the", call, request)


@pytest.mark.parametrize(
    ("dtype", "field"),
    [
        ("float32", "float_val"),
        ("float64", "double_val"),
        ("float16", "half_val"),
        ("int8", "int_val"),
        ("int32", "int_val"),
        ("uint8", "int_val"),
        ("int64", "int64_val"),
        ("uint32", "uint32_val"),
        ("uint64", "uint64_val"),
        ("bool", "bool_val"),
        ("complex64", "scomplex_val"),
    ],
)
def test_typed_fields_carry_each_dtype(predict, dtype, field):
    value = np.array([[0, 1, 1]], dtype)
    output = predict("kinds", {"x": value}, dtype).outputs["y"]
    assert len(getattr(output, field)) > 0
    np.testing.assert_array_equal(tf.make_ndarray(output), value)


def test_strings(predict):
    value = np.array([b"\xff\0", "é".encode()], object)
    output = predict("kinds", {"x": value}, "string").outputs["y"]
    assert list(output.string_val) == list(value)


def test_non_finite_numbers(predict):
    value = np.float32([np.nan, np.inf, -np.inf])
    output = predict("hp2", {"x": value}).outputs["y"]
    np.testing.assert_array_equal(output.float_val, value)


def test_an_input_with_a_default_may_be_left_out(predict):
    a = {"a": np.float32([[1, 0]])}
    assert list(predict("defaulted", a).outputs["total"].float_val) == [106.0]
    given = predict("defaulted", {**a, "b": np.float32([1])})
    assert list(given.outputs["total"].float_val) == [7.0]
    message = "Signature input alias: a not found in request"
    assert_refused(
        StatusCode.INVALID_ARGUMENT, message, predict, "defaulted", {"b": np.float32([1])}
    )


def metadata_request(name, *fields):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = name
    return request


@pytest.mark.parametrize(
    ("name", "fields", "code", "message"),
    [
        ("hp2", [], StatusCode.INVALID_ARGUMENT, "must specify at least one metadata_field"),
        ("hp2", ["some_stuff"], StatusCode.INVALID_ARGUMENT, "some_stuff is not supported"),
        ("", ["signature_def"], StatusCode.INVALID_ARGUMENT, "has no name specified"),
        ("no", ["signature_def"], StatusCode.NOT_FOUND, "Servable not found"),
    ],
)
def test_70_metadata_refused(stubs, name, fields, code, message):
    assert_refused(code, message, stubs[0].GetModelMetadata, metadata_request(name, *fields))


def test_70_metadata(stubs, root):
    response = stubs[0].GetModelMetadata(metadata_request("hp2", "signature_def"))
    assert (response.model_spec.name, response.model_spec.version.value) == ("hp2", 123)
    assert response.model_spec.signature_name == ""
    assert list(response.metadata) == ["signature_def"]
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    with SavedModelSession(root / "hp2" / "00000123") as session:
        assert dict(signatures.signature_def) == session.signature_defs


def status_request(name, version=None, label=None):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    if version is not None:
        request.model_spec.version.value = version
    if label is not None:
        request.model_spec.version_label = label
    return request


@pytest.mark.parametrize(("version", "label"), [(None, None), (123, None), (None, "ignored")])
def test_71_status(stubs, version, label):
    response = stubs[1].GetModelStatus(status_request("hp2", version, label))
    (status,) = response.model_version_status
    assert (status.version, status.state) == (123, 30)
    assert (status.status.error_code, status.status.error_message) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no",), "Could not find any versions of model no"),
        (("no", 1), "Could not find version 1 of model no"),
        (("hp2", 124), "Could not find version 124 of model hp2"),
        (("not-a-model",), "Could not find any versions of model not-a-model"),
    ],
)
def test_71_status_refused(stubs, arguments, message):
    request = status_request(*arguments)
    assert_refused(StatusCode.NOT_FOUND, f"^{message}$", stubs[1].GetModelStatus, request)


@pytest.mark.parametrize("deadline", [None, 30.0])
def test_the_deadline_limits_the_run(predict, monkeypatch, deadline):
    timeouts = []

    def run(self, signature_name, inputs, outputs, timeout):
        timeouts.append(timeout)
        return {"y": np.float32([1.0])}

    monkeypatch.setattr(SavedModelSession, "run", run)
    predict("hp2", X, timeout=deadline)
    (timeout,) = timeouts
    assert timeout is None if deadline is None else 25.0 < timeout < 35.0


def test_the_run_ends_at_the_deadline(root):
    with SavedModelSession(root / "kinds" / "1") as session:
        servable = Servable("kinds", 1, session)
        for timeout in (0.05, 0.0, -1.0):
            with pytest.raises(ServingError, match=r"^DEADLINE_EXCEEDED: Timed out"):
                run_signature(servable, "loop", {"steps": np.int64(10**12)}, timeout=timeout)


def test_long_messages_are_cut(predict):
    with pytest.raises(grpc.RpcError) as caught:
        predict("n" * 2000, X)
    details = caught.value.details()
    assert len(details) == 1024 + len("...TRUNCATED") and details.endswith("...TRUNCATED")


def test_a_message_above_the_limit(predict):
    big = np.zeros([2**18 + 1], np.float32)
    assert_refused(StatusCode.RESOURCE_EXHAUSTED, "larger than max", predict, "hp2", {"x": big})


def test_a_small_message_cannot_ask_for_a_huge_array(predict):
    proto = tf.make_tensor_proto(0.0)
    proto.tensor_shape.dim.add(size=2**30)
    message = "at most 2097152 bytes of inputs and outputs"
    assert_refused(StatusCode.RESOURCE_EXHAUSTED, message, predict, "hp2", {"x": proto})
    # Of another dtype, it is the dtype that is wrong: nothing has been made.
    proto.dtype = tf.int64.as_datatype_enum
    message = r"Expects arg\[0\] to be float but int64 is provided"
    assert_refused(StatusCode.INVALID_ARGUMENT, message, predict, "hp2", {"x": proto})


@pytest.mark.integration
def test_concurrent_requests_get_their_own_answers(predict):
    def ask(i):
        response = predict("hp2", {"x": np.full([3], i, np.float32)})
        return list(response.outputs["y"].float_val)

    with ThreadPoolExecutor(8) as pool:
        for i, y in enumerate(pool.map(ask, range(200))):
            assert y == [i / 2 + 2] * 3


def test_an_internal_error_tells_the_log_not_the_client(predict, monkeypatch, caplog):
    def fail(proto, array):
        raise OSError("secret")

    monkeypatch.setattr(tensor_proto, "fill", fail)
    assert_refused(
        StatusCode.INTERNAL, "^Internal error; the server's log has it$", predict, "hp2", X
    )
    assert "secret" in caplog.text


def test_a_port_is_never_shared(server):
    front = grpc_front.GrpcFront(None, None, 1, None, None, Workers(1))
    with pytest.raises(RuntimeError, match="Failed to bind"):
        front.start(f"127.0.0.1:{server.grpc_port}")
