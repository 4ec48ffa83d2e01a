"""REST against a raw HTTP client. The numbers in the ids are the protocol's conformance cases."""

import gzip
import json
import math
import socket
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import quote

import numpy as np
import pytest
import uvicorn
from google.protobuf.json_format import MessageToDict
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap

from aae_tf.export.saved_model_session import SavedModelSession
from aae_tf.serving.rest_front import RestFront

HP2 = "/v1/models/hp2"
LINEAR = "/v1/models/linear"
KINDS = "/v1/models/kinds"
ROWS = {"instances": [2.0, 3.0, 4.0]}


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        pytest.param("GET", "/v1/foo", 400, "Malformed request: GET /v1/foo", id="1"),
        pytest.param("POST", "/v1/foo", 400, "Malformed request: POST /v1/foo", id="2"),
        pytest.param("GET", "/v1/models", 400, "Missing model name in request.", id="3"),
        pytest.param("POST", "/v1/models", 400, "Malformed request: POST /v1/models", id="4"),
        pytest.param("GET", "/v1/models/a/b", 400, "Malformed request", id="5"),
        pytest.param("GET", f"{HP2}:predict", 400, "Malformed request", id="6"),
        pytest.param("POST", f"{HP2}/version/50:predict", 400, "Malformed request", id="7"),
        pytest.param("POST", f"{HP2}/versions/HELLO:predict", 400, "Malformed request", id="8"),
        pytest.param(
            "POST",
            f"{HP2}/versions/18446744073709551615:regress",
            400,
            "Failed to convert version: 18446744073709551615 to numeric.",
            id="9",
        ),
        pytest.param(
            "GET", f"{HP2}/versions/{'9' * 5000}", 400, "Failed to convert version", id="9-long"
        ),
        pytest.param("POST", f"{HP2}/metadata", 400, "Malformed request", id="10"),
        pytest.param(
            "POST", f"{HP2}/versions/50/labels/x:predict", 400, "Malformed request", id="11"
        ),
        pytest.param("POST", f"{HP2}/label/x:predict", 400, "Malformed request", id="12"),
        pytest.param("PUT", HP2, 400, f"Malformed request: PUT {HP2}", id="15-put"),
        pytest.param("DELETE", HP2, 400, f"Malformed request: DELETE {HP2}", id="15-delete"),
        pytest.param("PATCH", HP2, 400, f"Malformed request: PATCH {HP2}", id="15-patch"),
        pytest.param("POST", f"{HP2}:PREDICT", 400, "Malformed request", id="verb-case"),
        pytest.param("POST", f"{HP2}:predict?x=1", 400, "Malformed request", id="query-predict"),
        pytest.param("GET", f"{HP2}?x", 404, "any versions of model hp2?x", id="query-status"),
        pytest.param("POST", f"{HP2}:classify", 501, "classify is not implemented", id="classify"),
        pytest.param("POST", f"{HP2}:regress", 501, "regress is not implemented", id="regress"),
        pytest.param("GET", "/v1/models/nope", 404, "any versions of model nope", id="57-model"),
        pytest.param(
            "GET",
            f"{HP2}/versions/9",
            404,
            "Could not find version 9 of model hp2",
            id="57-version",
        ),
        pytest.param("GET", "/v1/models/nope/metadata", 404, "Latest(nope)", id="metadata-model"),
        pytest.param(
            "GET", f"{HP2}/versions/9/metadata", 404, "Specific(hp2, 9)", id="metadata-version"
        ),
        pytest.param(
            "GET",
            f"{HP2}/labels/x/metadata",
            400,
            "Unrecognized servable version label: x",
            id="metadata-label",
        ),
    ],
)
def test_addresses_refused(http_call, method, path, status, message):
    answer = http_call(method, path)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/json"
    assert set(answer.json) == {"error"}
    assert message in answer.json["error"]


def test_head_is_refused_without_a_body(http_call):
    answer = http_call("HEAD", HP2)
    assert (answer.status, answer.body) == (400, b"")


@pytest.mark.parametrize("path", ["/statuspage", "/index", "/", "/monitoring/prometheus/metrics"])
def test_14_other_paths_get_a_page_not_json(http_call, path):
    answer = http_call("GET", path)
    assert answer.status == 404
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://a.example", 200), ("https://b", 200), ("ftp://c", 400), ("", 400)],
)
def test_16_options(http_call, origin, status):
    answer = http_call("OPTIONS", HP2, headers={"Origin": origin} if origin else {})
    assert (answer.status, answer.body) == (status, b"")


def test_13_a_percent_encoded_name_reaches_its_model(http_call, odd_name):
    path = f"/v1/models/{quote(odd_name, safe='')}"
    assert http_call("POST", f"{path}:predict", ROWS).json == {"predictions": [3.0, 3.5, 4.0]}
    assert http_call("GET", path).json["model_version_status"][0]["version"] == "20170111173521"


def test_13_a_percent_encoded_label_is_decoded(http_call, odd_name):
    answer = http_call("POST", f"{HP2}/labels/{quote(odd_name, safe='')}:predict", ROWS)
    assert answer.json["error"] == f"Unrecognized servable version label: {odd_name}"


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
        pytest.param(HP2, "[" * 100_000, 400, "nested more than 256 deep", id="depth"),
        pytest.param(
            HP2, "9" * 5000, 400, "JSON Parse error: Exceeds the limit", id="long-integer"
        ),
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


def test_timeout(http_call):
    body = {"signature_name": "loop", "inputs": 10**12}
    answer = http_call("POST", f"{KINDS}:predict", body)
    assert answer.status == 504
    assert "Timed out" in answer.json["error"]


STATUS = {
    "model_version_status": [
        {
            "version": "123",
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
    ]
}


@pytest.mark.parametrize("suffix", ["", "/versions/123", "/labels/anything"])
def test_55_56_status(http_call, suffix):
    answer = http_call("GET", HP2 + suffix)
    assert (answer.status, answer.json) == (200, STATUS)


@pytest.mark.parametrize("suffix", ["/metadata", "/versions/123/metadata"])
def test_58_metadata(http_call, root, suffix):
    with SavedModelSession(root / "hp2" / "00000123") as session:
        signatures = SignatureDefMap(signature_def=session.signature_defs)
    expected = MessageToDict(
        signatures, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    document = http_call("GET", HP2 + suffix).json
    assert document == {
        "model_spec": {"name": "hp2", "signature_name": "", "version": "123"},
        "metadata": {"signature_def": expected},
    }
    entries = document["metadata"]["signature_def"]["signature_def"]
    assert "__saved_model_init_op" in entries
    assert entries["serving_default"]["defaults"] == {}
    assert entries["serving_default"]["inputs"]["x"]["tensor_shape"] == {
        "dim": [{"size": "-1", "name": ""}, {"size": "1", "name": ""}],
        "unknown_rank": False,
    }


GZIP = {"Content-Encoding": "gzip"}
ROWS_BYTES = json.dumps(ROWS).encode()


def test_gzip(http_call):
    answer = http_call("POST", f"{HP2}:predict", gzip.compress(ROWS_BYTES), GZIP)
    assert answer.json == {"predictions": [3.0, 3.5, 4.0]}
    assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize("body", [ROWS_BYTES, gzip.compress(ROWS_BYTES)[:-9]], ids=["raw", "cut"])
def test_broken_gzip_is_an_empty_document(http_call, body):
    answer = http_call("POST", f"{HP2}:predict", body, GZIP)
    assert answer.status == 400
    assert "The document is empty" in answer.json["error"]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b" " * (2**20 + 1), {}),
        (b" " * 2**23, {}),
        (iter([b" " * 2**19] * 3), {}),
        (gzip.compress(b" " * 2**24), GZIP),
    ],
    ids=["by-one", "by-far", "chunked", "inflated"],
)
def test_a_body_above_the_limit(http_call, body, headers):
    answer = http_call("POST", f"{HP2}:predict", body, headers)
    assert answer.status == 413
    assert answer.json == {"error": "Expected a body of at most 1048576 bytes."}


def test_a_body_at_the_limit(http_call):
    body = ROWS_BYTES + b" " * (2**20 - len(ROWS_BYTES))
    assert http_call("POST", f"{HP2}:predict", body).status == 200


def test_a_client_that_leaves_disturbs_nobody(http_call, server):
    connection = HTTPConnection("127.0.0.1", server.rest_port)
    connection.putrequest("POST", f"{HP2}:predict")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b'{"instances"')
    connection.close()
    assert http_call("POST", f"{HP2}:predict", ROWS).status == 200


def test_answers_are_not_held_back(http_call, server):
    # Nagle's algorithm would keep the second packet of each answer for 40 ms.
    http_call("GET", HP2)
    connections = list(server._rest._server.server_state.connections)
    assert connections
    for connection in connections:
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_concurrent_requests_get_their_own_answers(server):
    def ask(thread):
        connection = HTTPConnection("127.0.0.1", server.rest_port, timeout=30.0)
        for i in range(20):
            x = 100.0 * thread + i
            connection.request("POST", f"{HP2}:predict", json.dumps({"instances": [x]}))
            assert json.loads(connection.getresponse().read()) == {"predictions": [x / 2 + 2]}
        connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))


def test_an_internal_error_tells_the_log_not_the_client(http_call, monkeypatch, caplog):
    def fail(self, call, body):
        raise OSError("secret")

    monkeypatch.setattr(RestFront, "_answer", fail)
    answer = http_call("GET", HP2)
    assert answer.status == 500
    assert answer.json == {"error": "Internal error; the server's log has it"}
    assert "secret" in caplog.text


def test_a_server_that_ends_while_it_starts_is_an_error(monkeypatch):
    class Listener:
        def listen(self):
            pass

    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: None)
    front = RestFront(manager=None, max_body_bytes=1, num_threads=1, timeout=math.inf)
    with pytest.raises(RuntimeError, match="Expected the REST server to start, but it ended"):
        front.start(Listener())
