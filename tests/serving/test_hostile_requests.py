"""Requests and connections that would stop a server without limits; raw clients throughout."""

import contextlib
import gzip
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from aae_tf.export.model_card import MODEL_CARD
from aae_tf.export.saved_model_session import SavedModelSession
from aae_tf.serving import ModelServer, ServerError
from aae_tf.serving.grpc.grpc_front import health_messages
from aae_tf.serving.models.request_rows import RowSlices
from aae_tf.serving.rest import rest_front
from aae_tf.serving.rest.http_protocol import HttpProtocol

HP2 = "/v1/models/hp2"
BODY = b'{"instances": [2.0]}'


def ask(port: int, content: bytes, timeout: float = 10.0) -> bytes:
    """Sends bytes, and returns all that comes back until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(content)
        received = b""
        while piece := connection.recv(2**16):
            received += piece
        return received


def post(*headers: str, path: str = f"{HP2}:predict", body: bytes = BODY, version="1.1") -> bytes:
    lines = [f"POST {path} HTTP/{version}", "Host: a", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


CLOSE = "Connection: close"


def test_two_lengths_of_a_body_are_refused_and_the_connection_is_closed(server):
    chunked = b"14\r\n" + BODY + b"\r\n0\r\n\r\n"
    second = post(CLOSE, path="/v1/models/linear:predict")
    answer = ask(server.rest_port, post("Transfer-Encoding: chunked", body=chunked) + second)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"Expected a body of one length" in answer
    assert answer.count(b"HTTP/1.1") == 1


def test_an_absolute_target(server):
    target = f"http://a.example:80{HP2}:predict"
    assert b'{"predictions": [3.0]}' in ask(server.rest_port, post(CLOSE, path=target))


@pytest.mark.parametrize("method", ["TRACE", "FROB", "CONNECT"])
def test_a_method_that_is_not_served(server, method):
    answer = ask(server.rest_port, f"{method} {HP2} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 501") and b"<html>" in answer


def test_http_1_0_keeps_a_connection_that_is_asked_to(server):
    kept = post("Connection: Keep-Alive", version="1.0")
    last = post(version="1.0")
    with socket.create_connection(("127.0.0.1", server.rest_port), 10.0) as connection:
        for request in (kept, kept, last):
            connection.sendall(request)
            answer = connection.recv(2**16)
            if b"predictions" not in answer:
                answer += connection.recv(2**16)
            assert b'{"predictions": [3.0]}' in answer
            assert (b"connection: keep-alive" in answer) == (request is kept)
        assert connection.recv(1) == b""


@pytest.mark.parametrize("surplus", [b"x", gzip.compress(b" ", mtime=0)], ids=["text", "gzip"])
def test_gzip_with_bytes_after_it(server, surplus):
    body = gzip.compress(BODY) + surplus
    answer = ask(server.rest_port, post(CLOSE, "Content-Encoding: gzip", body=body))
    assert answer.startswith(b"HTTP/1.1 400") and b"The document is empty" in answer


@pytest.mark.parametrize(
    "content",
    [b"", f"POST {HP2}:predict HTTP/1.1\r\nHost:".encode()],
    ids=["silent", "half a head"],
)
def test_who_sends_no_head_is_disconnected(server, monkeypatch, content):
    monkeypatch.setattr(HttpProtocol, "head_timeout", 0.2)
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.rest_port), 10.0) as connection:
        connection.sendall(content)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""
    assert 0.15 < time.monotonic() - start < 5.0


def test_a_second_head_has_a_deadline_too(server, monkeypatch):
    monkeypatch.setattr(HttpProtocol, "head_timeout", 0.3)
    with socket.create_connection(("127.0.0.1", server.rest_port), 10.0) as connection:
        connection.sendall(post())
        answer = b""
        while not answer.endswith(b'{"predictions": [3.0]}'):
            answer += connection.recv(2**16)
        time.sleep(0.5)  # idle, it stays open
        connection.sendall(b"GET /v1")
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""


def test_who_sends_no_body_gets_408(server, monkeypatch):
    monkeypatch.setattr(rest_front, "_BODY_TIMEOUT", 0.2)
    answer = ask(server.rest_port, post(body=BODY)[:-5])
    assert answer.startswith(b"HTTP/1.1 408") and b"Expected the body within 0.2 seconds" in answer


def test_connections_beyond_the_limit_get_503(server, monkeypatch):
    monkeypatch.setattr(HttpProtocol, "max_connections", 0)
    answer = ask(server.rest_port, b"")
    assert answer.startswith(b"HTTP/1.1 503") and answer.endswith(b'connections are open"}')
    assert json.loads(answer.partition(b"\r\n\r\n")[2])


@pytest.fixture(scope="module")
def small_server(classifier_root):
    """A server of `classifier_root` that takes 10,000 rows, one request at a time."""
    with ModelServer(classifier_root, max_rows=10_000, max_requests=1) as server:
        yield server


def declared(rows: int, *, model="everything", signature="sample", name="seed") -> PredictRequest:
    """A request of one value that declares many rows."""
    request = PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    for each in (name, "label"):
        request.inputs[each].dtype = tf.int64.as_datatype_enum
        request.inputs[each].tensor_shape.dim.add(size=rows)
        request.inputs[each].int64_val.append(1)
    return request


@pytest.mark.thorough
def test_rows_are_counted_before_any_is_made(small_server):
    with grpc.insecure_channel(f"127.0.0.1:{small_server.grpc_port}") as channel:
        stub = PredictionServiceStub(channel)
        request = declared(2**40)
        assert request.ByteSize() < 100
        with pytest.raises(grpc.RpcError, match=r"at most 10000 rows\. Received: 1099511627776"):
            stub.Predict(request, timeout=30)
        response = stub.Predict(declared(10_000), timeout=60)
        assert response.outputs["latents"].tensor_shape.dim[0].size == 10_000
    rows = {"signature_name": "sample", "instances": [{"seed": 1, "label": 1}] * 10_001}
    answer = ask(
        small_server.rest_port,
        post(CLOSE, path="/v1/models/everything:predict", body=json.dumps(rows).encode()),
    )
    assert answer.startswith(b"HTTP/1.1 413") and b"at most 10000 rows. Received: 10001" in answer


def test_without_a_number_the_widths_of_the_signature_bound_the_rows(classifier_server):
    with (
        grpc.insecure_channel(f"127.0.0.1:{classifier_server.grpc_port}") as channel,
        pytest.raises(grpc.RpcError, match="bytes of inputs and outputs") as caught,
    ):
        PredictionServiceStub(channel).Predict(declared(6_000_000), timeout=30)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_rows_run_in_slices_as_in_one_run(classifier_root):
    path = classifier_root / "everything" / "1"
    assert (path / MODEL_CARD).exists()
    inputs = {"seed": np.arange(10), "label": np.zeros(10, np.int64)}
    with SavedModelSession(path) as session:
        whole = session.run("sample", inputs)
        sliced = RowSlices(session, rows=3).run("sample", inputs)
        assert set(whole) == set(sliced)
        for name, array in whole.items():
            np.testing.assert_allclose(sliced[name], array, rtol=1e-6)
        with pytest.raises(tf.errors.DeadlineExceededError, match="Timed out"):
            RowSlices(session, rows=1).run("sample", inputs, timeout=1e-9)


def test_requests_beyond_the_limit_get_unavailable_at_once(small_server, monkeypatch):
    entered, leave = threading.Event(), threading.Event()
    run = RowSlices.run

    def wait(self, *arguments, **keywords):
        entered.set()
        leave.wait(30.0)
        return run(self, *arguments, **keywords)

    monkeypatch.setattr(RowSlices, "run", wait)
    with grpc.insecure_channel(f"127.0.0.1:{small_server.grpc_port}") as channel:
        stub = PredictionServiceStub(channel)
        first = stub.Predict.future(declared(1), timeout=60)
        assert entered.wait(30.0)
        with pytest.raises(grpc.RpcError, match="Too many requests are under way: 1") as caught:
            stub.Predict(declared(1), timeout=30)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        answer = ask(small_server.rest_port, post(CLOSE, path="/v1/models/everything:predict"))
        assert answer.startswith(b"HTTP/1.1 503")
        leave.set()
        assert first.result().outputs


@pytest.fixture(scope="module")
def key_and_certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost"]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("there is no openssl")
    return (folder / "key.pem").read_text(), (folder / "cert.pem").read_text()


@pytest.fixture(scope="module")
def ways(root, key_and_certificate, tmp_path_factory):
    key, certificate = key_and_certificate
    folder = tmp_path_factory.mktemp("ways")
    (folder / "ssl.config").write_text(
        f"server_key: {json.dumps(key)} server_cert: {json.dumps(certificate)}"
    )
    with ModelServer(
        model_name="half",
        model_base_path=root / "hp2",
        rest_api_enable_cors_support=True,
        grpc_socket_path=str(folder / "s"),
        ssl_config_file=folder / "ssl.config",
        enable_grpc_healthcheck_service=True,
    ) as server:
        yield server, certificate


def test_tls_and_health(ways):
    server, certificate = ways
    request_class, response_class = health_messages()
    credentials = grpc.ssl_channel_credentials(certificate.encode())
    with grpc.secure_channel(f"localhost:{server.grpc_port}", credentials) as channel:
        codecs = (request_class.SerializeToString, response_class.FromString)
        check = channel.unary_unary("/grpc.health.v1.Health/Check", *codecs)
        for service in ("", "PredictionService", "tensorflow.serving.ModelService"):
            assert check(request_class(service=service), timeout=30).status == 1
        with pytest.raises(grpc.RpcError, match="Unknown service 'no'") as caught:
            check(request_class(service="no"), timeout=30)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch", *codecs)
        assert next(watch(request_class(), timeout=30)).status == 1


def test_a_unix_socket_and_one_model(ways):
    server, _ = ways
    assert server.models == {"half": 123}
    request = PredictRequest()
    request.model_spec.name = "half"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([2.0]))
    with grpc.insecure_channel(f"unix:{server.grpc_socket_path}") as channel:
        response = PredictionServiceStub(channel).Predict(request, timeout=30)
    assert response.outputs["y"].float_val == [3.0]


def test_cors(ways, server):
    for each, expected in ((ways[0], True), (server, False)):
        answer = ask(
            each.rest_port, f"GET /v1/models/x HTTP/1.1\r\nHost: a\r\n{CLOSE}\r\n\r\n".encode()
        )
        assert (b"access-control-allow-origin: *" in answer) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("server_key: 'k'", "to hold server_key and server_cert, in PEM"),
        ("server_key: 'k' server_cert: 'c' client_verify: true", "to hold custom_ca"),
        ("nonsense", "ssl_config_file=.*: Expected a SSLConfig in protobuf's text format"),
    ],
)
def test_bad_ssl_files(root, tmp_path, text, message):
    (tmp_path / "ssl.config").write_text(text)
    with pytest.raises(ServerError, match=message):
        ModelServer(root, ssl_config_file=tmp_path / "ssl.config").start()


def test_a_version_link_that_leaves_the_reload_root_is_refused(root, tmp_path):
    allowed = tmp_path / "allowed"
    (allowed / "linked").mkdir(parents=True)
    (allowed / "linked" / "1").symlink_to(root / "hp2" / "00000123")
    (allowed / "inside" / "1").mkdir(parents=True)
    for name in ("saved_model.pb", "variables"):
        (allowed / "inside" / "1" / name).symlink_to(root / "hp2" / "00000123" / name)
    with (
        ModelServer(root, reload_root=allowed, file_system_poll_wait_seconds=0) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel,
    ):
        for name in ("linked", "inside"):
            request = ReloadConfigRequest()
            entry = request.config.model_config_list.config.add()
            entry.name, entry.model_platform = name, "tensorflow"
            entry.base_path = str(allowed / name)
            with pytest.raises(grpc.RpcError, match="under the reload root") as caught:
                ModelServiceStub(channel).HandleReloadConfigRequest(request, timeout=30)
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


SIGNALS = """
import sys
from aae_tf.cli.commands import app
sys.argv = ["aae-tf", "serve", "--port=0", "--rest_api_port=0", "--model_name=kinds",
            "--model_base_path=" + sys.argv[1], "--enable_model_warmup=false"]
app(prog_name="aae-tf")
"""


@pytest.mark.integration
def test_sigterm_ends_within_10_s_whatever_runs_and_sighup_does_not(root):
    process = subprocess.Popen(
        [sys.executable, "-c", SIGNALS, str(root / "kinds")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    try:
        lines = [process.stdout.readline() for _ in range(5)]
        grpc_port = int(lines[2].split("gRPC on 127.0.0.1:")[1].partition(",")[0])
        with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
            stub = PredictionServiceStub(channel)
            request = PredictRequest()
            request.model_spec.name, request.model_spec.signature_name = "kinds", "loop"
            request.inputs["steps"].CopyFrom(tf.make_tensor_proto(np.int64(10**15)))
            endless = stub.Predict.future(request)
            process.send_signal(1)  # SIGHUP
            request.inputs["steps"].int64_val[:] = [3]
            assert stub.Predict(request, timeout=60).outputs["count"].int64_val == [3]
            start = time.monotonic()
            process.terminate()
            codes = set()
            while process.poll() is None:
                try:
                    stub.Predict(request, timeout=60)
                except grpc.RpcError as error:
                    codes.add(error.code())
                time.sleep(0.05)
            assert time.monotonic() - start < 10.0
            assert process.returncode == 0
            assert codes == {grpc.StatusCode.UNAVAILABLE}
            assert endless.code() is grpc.StatusCode.UNAVAILABLE
    finally:
        process.kill()
        process.communicate()
