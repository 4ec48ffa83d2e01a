import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import grpc
import numpy as np
import pytest

from aae_tf.serving import Client, ModelServer, ServingError
from aae_tf.serving.client.grpc_transport import to_serving_error
from tests.models.small import INPUTS, NUM_CLASSES

X = np.ones(1, np.float32)
KERNEL = np.float32(0.1) * np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture(scope="module", params=["grpc", "rest"])
def client(request, aae_server):
    with Client(
        grpc_port=aae_server.grpc_port, rest_port=aae_server.rest_port, protocol=request.param
    ) as client:
        yield client


@pytest.fixture(scope="module", params=["grpc_port", "rest_port"])
def any_client(request, server):
    """A client of the server of oddities, which takes its protocol from the port given."""
    with Client(**{request.param: getattr(server, request.param)}) as client:
        yield client


def test_encode(client):
    images = np.random.default_rng(0).normal(size=[5, 2, 2])
    latents = client.encode(images)
    assert latents.dtype == np.float32
    expected = images.astype(np.float32).reshape(5, 4) @ KERNEL
    np.testing.assert_allclose(latents, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(client.encode(images.astype(np.float32).tolist()), latents)


def test_decode(client):
    outputs = client.decode([[2.0, 4.0, 6.0]], class_probabilities=[[0.0, 1.0]])
    np.testing.assert_array_equal(outputs, np.float32([[1.0, 2.0, 3.0, 0.0, 0.5]]))
    with pytest.raises(ServingError, match="class_probabilities"):
        client.decode([[2.0, 4.0, 6.0]])


def test_sample(client):
    samples = client.sample(range(3), labels=[-1, 0, 1])
    assert set(samples) == {"outputs", "latents"}
    expected = np.stack([np.sin(np.arange(3.0)), [-1, 0, 1]], axis=1)
    np.testing.assert_allclose(samples["latents"], expected, atol=1e-6)
    np.testing.assert_array_equal(samples["outputs"], 0.5 * samples["latents"])
    large = client.sample([2**62], labels=[0])["latents"]  # beyond what a double holds exactly
    assert large.shape == (1, 2)


@pytest.mark.integration
@pytest.mark.parametrize("argument", ["grpc_port", "rest_port"])
def test_a_model_with_classes_is_asked_for_them(classifier, classifier_server, argument):
    port = {argument: getattr(classifier_server, argument)}
    with Client(**port, encoder="everything", decoder="everything") as client:
        answer = client.classify(INPUTS)
        probabilities = classifier.classify(INPUTS)
        assert answer.keys() == {"class_probabilities", "class_id"}
        np.testing.assert_allclose(answer["class_probabilities"], probabilities, atol=1e-6)
        np.testing.assert_array_equal(answer["class_id"], probabilities.argmax(axis=1))
        assert answer["class_id"].dtype == np.int64
        np.testing.assert_allclose(client.encode(INPUTS), classifier.encode(INPUTS), atol=1e-6)

        seeds = np.arange(6)
        for labels in (2, -1, [0, 1, 2, -1, 0, 1]):
            answer = client.sample(seeds, labels)
            expected = classifier.sample(labels=labels, seed=seeds)
            np.testing.assert_allclose(answer["outputs"], expected, atol=1e-6)
        one_hot = client.sample(seeds, 2)["class_probabilities"]
        np.testing.assert_array_equal(one_hot, np.eye(NUM_CLASSES)[np.full(6, 2)])
        latents = client.encode(INPUTS[:3])
        np.testing.assert_allclose(
            client.decode(latents, np.eye(3)), classifier.decode(latents, np.eye(3)), atol=1e-6
        )


def test_a_model_without_a_classifier_is_not_asked_for_classes(client):
    with pytest.raises(ServingError, match="classify"):
        client.classify(np.zeros([1, 2, 2]))


@pytest.mark.parametrize("method", ["score", "reconstruct"])
def test_what_only_the_combined_export_has_is_said(client, method):
    x = np.zeros((3, *client_shape(client)), np.float32)
    with pytest.raises(ServingError) as raised:
        getattr(client, method)(x)
    assert raised.value.code is grpc.StatusCode.NOT_FOUND
    message = raised.value.message
    assert message.startswith("Servable not found for request: Latest(autoencoder). Only the ")
    assert message.endswith(
        f"`aae-tf export --combined` writes has `{method}`: the server must serve it as "
        "'autoencoder'."
    )
    # A version that is asked for may be missing for another reason.
    with pytest.raises(ServingError) as raised:
        getattr(client, method)(x, version=7)
    assert raised.value.message == "Servable not found for request: Specific(autoencoder, 7)"


def client_shape(client):
    return client.metadata("encoder")["encode"]["inputs"]["inputs"]["shape"][1:]


def test_both_protocols_give_the_same_arrays(aae_server):
    images = np.random.default_rng(1).normal(size=[7, 2, 2])
    with (
        Client(grpc_port=aae_server.grpc_port) as over_grpc,
        Client(rest_port=aae_server.rest_port) as over_rest,
    ):
        np.testing.assert_array_equal(over_grpc.encode(images), over_rest.encode(images))
        for name, array in over_grpc.sample([1, 2], [3, 4]).items():
            other = over_rest.sample([1, 2], [3, 4])[name]
            np.testing.assert_array_equal(array, other)
            assert array.dtype == other.dtype


def test_model_names_are_arguments(aae_server):
    with Client(grpc_port=aae_server.grpc_port, encoder="a", decoder="b") as client:
        with pytest.raises(ServingError, match=r"Latest\(a\)"):
            client.encode(np.zeros([1, 2, 2]))
        with pytest.raises(ServingError, match=r"Latest\(b\)"):
            client.decode(np.zeros([1, 3]))
        with pytest.raises(ServingError, match=r"Latest\(b\)"):
            client.sample([1])


def test_status(client):
    assert client.status("encoder") == {10: "AVAILABLE"}
    with pytest.raises(ServingError, match="Could not find any versions of model no") as caught:
        client.status("no")
    assert caught.value.code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("version", [None, 10])
def test_predict(client, version):
    outputs = client.predict("encoder", {"inputs": np.ones([1, 2, 2], "f")}, "", version)
    assert list(outputs) == ["latents"]
    np.testing.assert_allclose(outputs["latents"], KERNEL.sum(0)[None], rtol=1e-6)


@pytest.mark.parametrize(
    ("signature", "value"),
    [
        ("float32", np.float32([[0.1, np.nan], [np.inf, -np.inf]])),
        ("float64", np.float64([1 / 3, 1e300])),
        ("int32", np.int32([-1, 2**31 - 1])),
        ("int64", np.int64([-(2**63), 2**63 - 1])),
        ("uint64", np.uint64([2**64 - 1])),
        ("uint8", np.uint8([0, 255])),
        ("bool", np.array([[True, False]])),
        ("string", np.array([b"\x00\xff", "é".encode(), b'"'], object)),
        ("string", np.array([["a", "é"]])),
        ("string", np.array(b"scalar")),
        ("float32", np.float32(1.5)),
    ],
)
def test_dtypes(any_client, signature, value):
    output = any_client.predict("kinds", {"x": value}, signature)["y"]
    if signature == "string":
        value = np.array([v if isinstance(v, bytes) else v.encode() for v in value.ravel()], object)
        output = output.ravel()
        assert output.dtype == object
    else:
        assert output.dtype == signature and output.shape == value.shape
    np.testing.assert_array_equal(output, value)


def test_string_outputs_of_either_spelling(any_client):
    strings = np.array([b"\x00\xff"], object)
    outputs = any_client.predict("kinds", {"s": strings}, "bytes")
    assert outputs["raw"].tolist() == outputs["raw_bytes"].tolist() == [b"\x00\xff"]


def test_no_rows_come_back_with_the_shape_that_is_declared(any_client):
    x = np.ones([2, 3], np.float32)
    assert any_client.predict("kinds", {"x": x}, "empty")["y"].shape == (0, 3)


@pytest.mark.parametrize(
    ("call", "code", "message"),
    [
        (("no", {"x": [1.0]}), "NOT_FOUND", r"Servable not found for request: Latest\(no\)"),
        (("hp2", {"x": [1.0]}, "", 9), "NOT_FOUND", r"Specific\(hp2, 9\)"),
        (("hp2", {}), "INVALID_ARGUMENT", "x"),
        (("linear", {"a": np.ones([1, 3], "f"), "b": X}), "INVALID_ARGUMENT", "Matrix"),
    ],
)
def test_errors_carry_the_servers_code_and_message(any_client, call, code, message):
    with pytest.raises(ServingError, match=f"^{code}: .*{message}") as caught:
        any_client.predict(*call)
    assert caught.value.code is grpc.StatusCode[code]
    assert str(caught.value) == f"{code}: {caught.value.message}"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("grpc_port", r"^FAILED_PRECONDITION: Serving signature key \"S\" not found"),
        ("rest_port", r"^INVALID_ARGUMENT: Serving signature name: \"S\" not found"),
    ],
)
def test_an_unknown_signature(server, argument, message):
    with Client(**{argument: getattr(server, argument)}) as client:
        for _ in range(2):  # the second time, the client has the signatures at hand
            with pytest.raises(ServingError, match=message):
                client.predict("hp2", {"x": X}, "S")


def test_requests_above_the_servers_limit(any_client):
    big = np.zeros([2**19], np.float32)
    with pytest.raises(ServingError, match=r"^RESOURCE_EXHAUSTED"):
        any_client.predict("hp2", {"x": big})


@pytest.mark.integration
def test_answers_above_grpcs_default_of_4_mib(aae_server):
    images = np.ones([400_000, 2, 2], np.float32)  # 6.4 MB there, 4.8 MB back
    with Client(grpc_port=aae_server.grpc_port) as client:
        assert client.encode(images, batch_size=len(images)).shape == (400_000, 3)


@pytest.mark.integration
@pytest.mark.parametrize("argument", ["grpc_port", "rest_port"])
def test_no_server(argument):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = {argument: free.getsockname()[1]}
        with Client(**port) as client, pytest.raises(ServingError) as caught:
            client.encode([X])
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.integration
@pytest.mark.parametrize("argument", ["grpc_port", "rest_port"])
def test_timeout(argument):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = {argument: silent.getsockname()[1]}
        with Client(**port, timeout=0.2) as client, pytest.raises(ServingError) as caught:
            client.encode([X])
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_timeout_of_decades(server):
    for port in ("grpc_port", "rest_port"):
        with Client(**{port: getattr(server, port)}, timeout=1e9) as client:
            assert client.status("hp2") == {123: "AVAILABLE"}


@pytest.mark.integration
def test_a_client_is_for_many_threads(any_client):
    def ask(i):
        return any_client.predict("hp2", {"x": np.full([4], i, np.float32)})["y"]

    with ThreadPoolExecutor(8) as pool:
        for i, y in enumerate(pool.map(ask, range(100))):
            np.testing.assert_array_equal(y, np.full([4], i / 2 + 2, np.float32))


@pytest.mark.integration
def test_connections_are_kept_and_replaced_when_the_server_closed_them(
    aae_root, fixed_ports, monkeypatch
):
    connects = []
    connect = socket.create_connection
    monkeypatch.setattr(
        socket, "create_connection", lambda *a, **k: connects.append(a) or connect(*a, **k)
    )
    server = ModelServer(aae_root, **fixed_ports)
    with server, Client(rest_port=server.rest_port) as client:
        client.status("encoder")
        client.encode(np.zeros([1, 2, 2]))
        assert len(connects) == 1
        server.stop()
        server.start()  # on the same port
        assert client.status("encoder") == {10: "AVAILABLE"}
        assert len(connects) == 2


@pytest.mark.integration
@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, b"<html>a portal</html>", "UNKNOWN"),
        (200, b"[]", "UNKNOWN"),
        (200, b"\xff", "UNKNOWN"),
        (502, b"Bad gateway", "UNKNOWN"),
        (503, b"", "UNAVAILABLE"),
        (418, json.dumps({"error": "teapot"}).encode(), "UNKNOWN"),
    ],
)
def test_what_is_not_a_model_server(status, body, code):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as other:
        thread = threading.Thread(target=other.serve_forever, args=(0.01,))
        thread.start()
        try:
            with (
                Client(rest_port=other.server_port) as client,
                pytest.raises(ServingError, match=f"^{code}: .") as caught,
            ):
                client.status("encoder")
        finally:
            other.shutdown()
            thread.join()
    assert caught.value.code is grpc.StatusCode[code]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, r"Expected `rest_port` to be given for protocol 'rest'\. Received: grpc_port=None"),
        ({"protocol": "grpc", "rest_port": 1}, r"Expected `grpc_port` to be given .* rest_port=1"),
        (
            {"protocol": "http"},
            r"`protocol` to be one of 'grpc', 'rest'\. .*='http'",
        ),
        ({"grpc_port": 1, "timeout": 0}, r"`timeout` to be above 0 .* Received: timeout=0"),
        ({"grpc_port": 1, "timeout": float("nan")}, r"`timeout` to be above 0 .*timeout=nan"),
        ({"grpc_port": 1, "timeout": float("inf")}, r"`timeout` .*at most 1e9 seconds\. .*inf"),
        ({"grpc_port": 1, "batch_size": 0}, r"`batch_size` to be a positive integer\. .*=0"),
        ({"grpc_port": 1, "max_in_flight": 0}, r"`max_in_flight` to be a positive integer\. .*=0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Client(**arguments)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.encode(np.zeros([0, 2])), r"`inputs` to have at least one row\. .*\(0, 2\)"),
        (lambda c: c.encode(1.0), r"`inputs` to have at least one row\. .* of shape \(\)"),
        (lambda c: c.decode([]), "`latents` to have at least one row"),
        (lambda c: c.decode([[1.0]], []), "`class_probabilities` to have at least one row"),
        (lambda c: c.sample([]), "`seeds` to have at least one row"),
        (lambda c: c.sample([1], []), "`labels` to have at least one row"),
        (lambda c: c.classify([]), "`inputs` to have at least one row"),
    ],
)
def test_empty_batches_are_refused_before_they_are_sent(client, call, message):
    with pytest.raises(ValueError, match=message):
        call(client)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5],), r"`seeds` to be integers\. Received: seeds=\[0\.5\]"),
        (([1], 0.5), "`labels` to be integers"),
        (([1], ["a"]), "`labels` to be integers"),
    ],
)
def test_seeds_and_labels_are_integers(client, arguments, message):
    with pytest.raises(TypeError, match=message):
        client.sample(*arguments)


def test_a_call_that_a_stopping_server_cancels_is_unavailable():
    class Stopping(grpc.RpcError):
        def code(self):
            return grpc.StatusCode.CANCELLED

        def details(self):
            return self.text

    error = Stopping()
    for error.text, code in (("CANCELLED", "UNAVAILABLE"), ("Channel closed!", "CANCELLED")):
        assert to_serving_error(error).code is grpc.StatusCode[code]
