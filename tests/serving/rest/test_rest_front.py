"""REST against a raw HTTP client. The numbers in the ids are the protocol's conformance cases."""

import asyncio
import contextlib
import gzip
import json
import math
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from types import SimpleNamespace
from urllib.parse import quote

import numpy as np
import pytest
import uvicorn
from google.protobuf.json_format import MessageToDict
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap

from aae_tf.export.saved_model_session import SavedModelSession
from aae_tf.serving.admission import Workers
from aae_tf.serving.rest import rest_front
from aae_tf.serving.rest.rest_front import RestFront

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
        pytest.param("POST", f"{HP2}:classify", 400, "The document is empty", id="classify"),
        pytest.param("POST", f"{HP2}:regress", 400, "The document is empty", id="regress"),
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


@pytest.mark.integration
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
    def fail(self, *arguments):
        raise OSError("secret")

    monkeypatch.setattr(RestFront, "_run_call", fail)
    answer = http_call("GET", HP2)
    assert answer.status == 500
    assert answer.json == {"error": "Internal error; the server's log has it"}
    assert "secret" in caplog.text


def test_a_server_that_ends_while_it_starts_is_an_error(monkeypatch):
    class Listener:
        def listen(self):
            pass

    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: None)
    front = RestFront(None, None, 1, None, None, Workers(1), timeout=math.inf)
    with pytest.raises(RuntimeError, match="Expected the REST server to start, but it ended"):
        front.start(Listener())


@pytest.mark.parametrize(
    ("array", "in_loop"),
    [
        (np.zeros([4, 1024], np.float32), True),
        (np.zeros([4, 1025], np.float32), False),
        (np.array([b"x" * 2**13] * 2, object), True),
        (np.array([b"x" * 2**13, b"x" * 2**13, b"x"], object), False),
    ],
)
def test_a_large_answer_to_a_small_request_is_written_in_a_thread(monkeypatch, array, in_loop):
    async def run(*arguments):
        return {"y": array}

    def write(outputs, row_form):
        return threading.current_thread()

    workers = Workers(1)
    front = RestFront(None, None, 1, None, None, workers, timeout=math.inf)
    inputs = SimpleNamespace(size=1, arrays={}, signature_name="s", row_form=True)
    monkeypatch.setattr(front, "_read", lambda *arguments: inputs)
    monkeypatch.setattr(front._batches, "run", run)
    monkeypatch.setattr(rest_front, "use_servable", lambda *a: contextlib.nullcontext())
    monkeypatch.setattr(rest_front, "batching_session", lambda servable: "session")
    monkeypatch.setattr(rest_front, "write_outputs", write)
    thread = asyncio.run(front._predict_in_batch(SimpleNamespace(spec=None), {}))
    workers.close()
    assert (thread is threading.current_thread()) == in_loop
