"""REST predict against a raw HTTP client. Numbers in ids are the protocol's conformance cases."""

import json

import numpy as np
import pytest

HP2 = "/v1/models/hp2"
LINEAR = "/v1/models/linear"
KINDS = "/v1/models/kinds"
ROWS = {"instances": [2.0, 3.0, 4.0]}


@pytest.mark.parametrize("prefix", ["/v1/models", "/V1/Models"])
@pytest.mark.parametrize("version", ["", "/versions/123", "/versions/000123", "/Versions/123"])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(ROWS, {"predictions": [3.0, 3.5, 4.0]}, id="17"),
        pytest.param({"inputs": [2.0, 3.0, 4.0]}, {"outputs": [3.0, 3.5, 4.0]}, id="18"),
        pytest.param(
            {"instances": [[1, 2], [3, 4]]}, {"predictions": [[2.5, 3.0], [3.5, 4.0]]}, id="19"
        ),
        pytest.param({"inputs": 2.0}, {"outputs": 3.0}, id="scalar"),
        pytest.param({"inputs": {"x": [2.0]}}, {"outputs": [3.0]}, id="named-column"),
        pytest.param({"instances": [{"x": 2.0}]}, {"predictions": [3.0]}, id="named-row"),
        pytest.param(
            {"signature_name": "serving_default", **ROWS},
            {"predictions": [3.0, 3.5, 4.0]},
            id="signature",
        ),
        pytest.param(
            {"signature_name": "", "other": 1, **ROWS},
            {"predictions": [3.0, 3.5, 4.0]},
            id="unknown-key",
        ),
    ],
)
def test_20_predict(http_call, prefix, version, body, expected):
    answer = http_call("POST", f"{prefix}/hp2{version}:predict", body)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json == expected


TWO = {"a": [1.0, 1.0], "b": 10.0}


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        pytest.param("/v1/models/no", ROWS, 404, "for request: Latest(no)", id="22"),
        pytest.param("/v1/models/no/versions/1", ROWS, 404, "Specific(no, 1)", id="22-version"),
        pytest.param(f"{HP2}/versions/99", ROWS, 404, "Specific(hp2, 99)", id="23"),
        pytest.param(f"{HP2}/versions/7", ROWS, 404, "Specific(hp2, 7)", id="23-older"),
        pytest.param(
            f"{HP2}/labels/stable",
            ROWS,
            400,
            "Unrecognized servable version label: stable",
            id="24",
        ),
        pytest.param(HP2, "", 400, "JSON Parse error: The document is empty", id="25"),
        pytest.param(HP2, " \n", 400, "The document is empty", id="25-blank"),
        pytest.param(
            "/v1/models/no", "{", 400, "JSON Parse error", id="malformed-to-an-unknown-model"
        ),
        pytest.param(
            HP2, "instances = [1, 2]", 400, "JSON Parse error: Invalid value. at offset: 0", id="26"
        ),
        pytest.param(
            HP2,
            {"instances": ["x", "y"]},
            400,
            "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
            'JSON Value: "x" Type: String is not of expected type: float',
            id="27",
        ),
        pytest.param(
            HP2, {"signature_name": 100, **ROWS}, 400, "key must be a string value.", id="28"
        ),
        pytest.param(
            HP2,
            {"inputs": [1], **ROWS},
            400,
            "Not formatted correctly expecting only one of 'inputs' or 'instances'",
            id="29",
        ),
        pytest.param(HP2, {}, 400, "Missing 'inputs' or 'instances' key", id="30"),
        pytest.param(HP2, {"instances": []}, 400, "No values in 'instances' array", id="31"),
        pytest.param(
            HP2, {"instances": 1}, 400, "Expecting 'instances' to be an list/array", id="not-a-list"
        ),
        pytest.param(
            HP2,
            {"instances": [[1, 2], [3, 4], [5, 6, 7]]},
            400,
            "element: 2 of 'instances' list. Error: INVALID_ARGUMENT: "
            "Expecting tensor size: 2 but got: 3",
            id="32",
        ),
        pytest.param(HP2, {"instances": [1, [1]]}, 400, "Expecting shape [] but got: [1]", id="34"),
        pytest.param(LINEAR, {"instances": [[1, 2]]}, 400, "instances is a plain list", id="35"),
        pytest.param(
            LINEAR, {"instances": [{"b64": "AA"}]}, 400, "instances is a plain list", id="35-b64"
        ),
        pytest.param(
            LINEAR, {"inputs": [[1, 2]]}, 400, "inputs is a plain value/list", id="35-columnar"
        ),
        pytest.param(
            LINEAR,
            {"instances": [TWO, [1, 2]]},
            400,
            "Expecting object but got list at item 1 of input list",
            id="36",
        ),
        pytest.param(
            HP2,
            {"instances": [1.0, {"x": 1.0}]},
            400,
            "Expecting value/list but got object at item 1 of input list",
            id="37",
        ),
        pytest.param(
            LINEAR,
            {"instances": [TWO, {"a": [1, 2]}]},
            400,
            "keys must be equal to: a,b",
            id="38",
        ),
        pytest.param(
            LINEAR,
            {"instances": [{**TWO, "c": 1}]},
            400,
            "JSON object: does not have named input: c",
            id="39-row",
        ),
        pytest.param(
            LINEAR,
            {"instances": [TWO, {"a": [1, "1"], "b": 1}]},
            400,
            "Failed to process element: 1 key: a of 'instances' list.",
            id="row-key",
        ),
        pytest.param(
            LINEAR, {"inputs": {"a": [[1, 2]]}}, 400, "Missing named input: b in 'inputs'", id="40"
        ),
        pytest.param(
            "/v1/models/defaulted",
            {"inputs": {"a": [[1, 2]]}},
            400,
            "Missing named input: b in 'inputs'",
            id="40-defaults-are-for-grpc",
        ),
        pytest.param(
            LINEAR,
            {"inputs": {"a": [[1, 2, 3]], "b": [1]}},
            400,
            "Matrix size-incompatible",
            id="wrong-shape",
        ),
        pytest.param(
            HP2,
            {"signature_name": "S", **ROWS},
            400,
            'Serving signature name: "S" not found in signature def',
            id="signature",
        ),
        pytest.param(
            KINDS, ROWS, 400, 'Serving signature name: "serving_default" not found', id="no-default"
        ),
        pytest.param(
            KINDS,
            {"signature_name": "none", **ROWS},
            400,
            "Failed to get input map for signature: none",
            id="no-inputs",
        ),
        pytest.param(
            HP2,
            {"signature_name": "__saved_model_init_op", **ROWS},
            400,
            "Failed to get input map for signature: __saved_model_init_op",
            id="init-op",
        ),
        pytest.param(HP2, [1], 400, "JSON Value: [1] Is not object", id="not-an-object"),
        pytest.param(HP2, "[" * 50_000, 400, "nested more than 256 deep", id="depth"),
        pytest.param(HP2, "9" * 5000, 400, "JSON Parse error: Number too big", id="long-integer"),
        pytest.param(HP2, b'{"instances": ["\xff"]}', 400, "Invalid encoding", id="not-utf-8"),
        pytest.param(
            KINDS,
            {"signature_name": "scalar", "instances": [1.0]},
            400,
            "Tensor name: y has no shape information",
            id="scalar-output",
        ),
        pytest.param(
            KINDS,
            {"signature_name": "uneven", "instances": [1.0]},
            400,
            "has inconsistent batch size",
            id="uneven-outputs",
        ),
        pytest.param(
            KINDS,
            {"signature_name": "float16", "inputs": [1.0]},
            501,
            "Conversion of JSON Value: 1.0 to type: half",
            id="half-input",
        ),
        pytest.param(
            KINDS,
            {"signature_name": "loop", "inputs": "x"},
            400,
            'JSON Value: "x" Type: String is not of expected type: int64',
            id="columnar-type",
        ),
    ],
)
def test_predict_errors(http_call, path, body, status, message):
    answer = http_call("POST", f"{path}:predict", body)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/json"  # 54
    assert set(answer.json) == {"error"}
    assert message in answer.json["error"]


def test_a_value_in_an_error_is_cut(http_call):
    error = http_call("POST", f"{HP2}:predict", {"instances": "a" * 10_000}).json["error"]
    assert len(error) < 400


def test_39_an_extra_column_is_ignored(http_call):
    body = {"inputs": {"a": [[1, 2]], "b": [1], "c": "anything"}}
    assert http_call("POST", f"{LINEAR}:predict", body).status == 200


def test_42_43_non_finite_numbers(http_call):
    answer = http_call("POST", f"{HP2}:predict", '{"instances": [NaN, Infinity, -Infinity]}')
    assert answer.body == b'{"predictions": [NaN, Infinity, -Infinity]}'
    body = {"signature_name": "reciprocal", "inputs": [0.0, -0.0]}
    answer = http_call("POST", f"{KINDS}:predict", body)
    assert answer.body == b'{"outputs": [Infinity, -Infinity]}'


def test_46_an_integer_literal_is_the_same_float(http_call):
    body = '{"signature_name": "float32", "instances": [1435774380, 1435774380.0]}'
    first, second = http_call("POST", f"{KINDS}:predict", body).json["predictions"]
    assert first == second == np.float32(1435774380)


def test_48_names_that_end_in_bytes_are_base64(http_call):
    body = {"signature_name": "bytes", "inputs": ["é", {"b64": "AP8="}]}
    answer = http_call("POST", f"{KINDS}:predict", body)
    document = json.loads(answer.body.decode("utf-8", "surrogateescape"))
    assert document["outputs"]["raw"] == ["é", "\x00\udcff"]
    assert document["outputs"]["raw_bytes"] == [{"b64": "w6k="}, {"b64": "AP8="}]


def test_49_two_outputs(http_call):
    rows = {"instances": [{"a": [1, 0], "b": 10}, {"a": [0, 1], "b": 20}]}
    assert http_call("POST", f"{LINEAR}:predict", rows).json == {
        "predictions": [
            {"product": [1.0, 2.0, 3.0], "total": 16.0},
            {"product": [4.0, 5.0, 6.0], "total": 35.0},
        ]
    }
    columns = {"inputs": {"a": [[1, 0], [0, 1]], "b": [10, 20]}}
    assert http_call("POST", f"{LINEAR}:predict", columns).json == {
        "outputs": {"product": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "total": [16.0, 35.0]}
    }


def test_50_no_rows(http_call):
    body = {"signature_name": "empty", "instances": [[1.0, 2.0, 3.0]]}
    assert http_call("POST", f"{KINDS}:predict", body).json == {"predictions": []}


def test_trailing_text_bom_and_repeated_keys(http_call):
    body = '\ufeff{"instances": [2.0], "instances": [9.0]} and more'.encode()
    assert http_call("POST", f"{HP2}:predict", body).json == {"predictions": [3.0]}


@pytest.mark.integration
def test_timeout(http_call):
    body = {"signature_name": "loop", "inputs": 10**12}
    answer = http_call("POST", f"{KINDS}:predict", body)
    assert answer.status == 504
    assert "Timed out" in answer.json["error"]
