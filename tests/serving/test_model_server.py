import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

import grpc
import keras
import numpy as np
import pytest
import tensorflow as tf

from aae_tf.export.saved_model_session import SavedModelSession
from aae_tf.serving import Client, ModelServer, Retries, ServerError, ServingError
from aae_tf.serving.grpc.grpc_front import GrpcFront
from aae_tf.serving.rest.rest_front import RestFront


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def hp2_root(root, tmp_path) -> Path:
    """A copy of one model's folder, for a test to change."""
    shutil.copytree(root / "hp2" / "00000123", tmp_path / "hp2" / "123")
    return tmp_path


def test_models_are_folders_with_numbered_versions(server, odd_name):
    assert server.models == {
        "defaulted": 1,
        "hp2": 123,  # 00000123
        "kinds": 1,
        "linear": 1,
        odd_name: 20170111173521,
    }


@pytest.mark.integration
def test_the_highest_version_is_served(hp2_root):
    for name in ("2", "9", "124.tmp", "-200", "0x200", "9223372036854775808"):
        (hp2_root / "hp2" / name).mkdir()
    with ModelServer(hp2_root) as server:
        assert server.models == {"hp2": 123}


@pytest.mark.integration
def test_ports_are_chosen_opened_on_loopback_only_and_closed(hp2_root):
    server = ModelServer(hp2_root)
    assert (server.grpc_port, server.rest_port, server.models) == (0, 0, {})
    with server:
        ports = (server.grpc_port, server.rest_port)
        assert len({*ports, 0}) == 3
        assert all(map(is_open, ports))
        with socket.socket() as other:
            other.bind(("127.0.0.2", server.rest_port))  # free: the server is not there
    assert not any(map(is_open, ports))
    assert server.models == {}


@pytest.mark.integration
def test_a_stopped_server_starts_again_on_its_ports(hp2_root, fixed_ports):
    server = ModelServer(hp2_root, **fixed_ports)
    for _ in range(2):
        with server, Client(grpc_port=server.grpc_port) as client:
            ports = (server.grpc_port, server.rest_port)
            assert client.status("hp2") == {123: "AVAILABLE"}
    assert ports == tuple(fixed_ports.values())
    server.stop()  # once more does nothing


@pytest.mark.integration
def test_ipv6(hp2_root):
    if not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with ModelServer(hp2_root, host="::1") as server:
        for port in ({"grpc_port": server.grpc_port}, {"rest_port": server.rest_port}):
            with Client("::1", **port) as client:
                assert client.status("hp2") == {123: "AVAILABLE"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"grpc_port": -1}, r"Expected `grpc_port` to be from 0 to 65535\. Received: grpc_port=-1"),
        ({"rest_port": 65536}, r"`rest_port` to be from 0 to 65535\. Received: rest_port=65536"),
        (
            {"grpc_port": 8500, "rest_port": 8500},
            r"`grpc_port` and `rest_port` to differ\. Received: grpc_port=8500, rest_port=8500",
        ),
        ({"max_body_bytes": 0}, r"`max_body_bytes` to be above 0\. Received: max_body_bytes=0"),
        ({"request_timeout": 0.0}, r"`request_timeout` to be above 0\. .*request_timeout=0\.0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ModelServer("models", **arguments)


def test_missing_root(tmp_path):
    message = r"^Expected `root` to be a readable folder\. Received: root=.*no \(No such file"
    with pytest.raises(ServerError, match=message):
        ModelServer(tmp_path / "no").start()


@pytest.mark.parametrize("inside", [".", "1", "model/one", "model/1x"])
def test_root_without_models(tmp_path, inside):
    (tmp_path / inside).mkdir(parents=True, exist_ok=True)
    message = r"^Expected `root` to hold a folder per model, .* Received: root="
    with pytest.raises(ServerError, match=message):
        ModelServer(tmp_path).start()


@pytest.mark.parametrize("argument", ["grpc_port", "rest_port"])
def test_a_port_in_use(hp2_root, argument):
    # Before anything is loaded: the model is broken, and yet the port is what is reported.
    (hp2_root / "hp2" / "123" / "saved_model.pb").unlink()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = (
            rf"^Expected `{argument}` to be free on `host`\. "
            rf"Received: {argument}={port}, host=127\.0\.0\.1 \(Address already in use\)\.$"
        )
        with pytest.raises(ServerError, match=message):
            ModelServer(hp2_root, **{argument: port}).start()


def test_two_servers_cannot_share_a_port(server, hp2_root):
    for argument in ("grpc_port", "rest_port"):
        with pytest.raises(ServerError, match=f"Expected `{argument}` to be free"):
            ModelServer(hp2_root, **{argument: getattr(server, argument)}).start()


def test_an_unknown_host(hp2_root):
    with pytest.raises(ServerError, match=r"Expected `rest_port` to be free on `host`\."):
        ModelServer(hp2_root, host="host.invalid").start()


def test_a_version_that_does_not_load(hp2_root):
    shutil.rmtree(hp2_root / "hp2" / "123" / "variables")
    with pytest.raises(
        ServerError, match=r"^Expected version 123 of model 'hp2' to load\. Received: .*checkpoint"
    ):
        ModelServer(hp2_root).start()


def test_a_version_that_is_a_file(hp2_root):
    (hp2_root / "hp2" / "124").write_text("")
    with pytest.raises(ServerError, match="Expected version 124 of model 'hp2' to load"):
        ModelServer(hp2_root).start()


@pytest.mark.integration
def test_what_started_is_stopped_when_the_rest_fails(hp2_root, monkeypatch):
    ports = []
    start = GrpcFront.start

    def fail(self, listener):
        raise OSError("no more files")

    monkeypatch.setattr(RestFront, "start", fail)
    monkeypatch.setattr(
        GrpcFront, "start", lambda *arguments: ports.append(start(*arguments)) or ports[0]
    )
    server = ModelServer(hp2_root)
    with pytest.raises(ServerError, match=r"^Expected both protocols to start\. .*no more files"):
        server.start()
    (port,) = ports
    assert not is_open(port)


@pytest.mark.integration
def test_nothing_is_printed_and_the_log_tells(hp2_root, capfd, caplog):
    with caplog.at_level(logging.INFO, "aae_tf.serving"), ModelServer(hp2_root) as server:
        connection = HTTPConnection("127.0.0.1", server.rest_port)
        connection.request("GET", "/v1/models/hp2")
        assert connection.getresponse().read()
        connection.close()
    captured = capfd.readouterr()
    assert captured.out == "" and "GET" not in captured.err
    assert f"Serving hp2 on 127.0.0.1, gRPC port {server.grpc_port}" in caplog.text


@pytest.fixture(params=["grpc_port", "rest_port"])
def held(request, hp2_root, monkeypatch):
    """A server with one request on hold: (server, function that lets it run, its answer)."""
    entered, release = threading.Event(), threading.Event()
    run = SavedModelSession.run

    def held_run(self, *arguments):
        entered.set()
        release.wait(30.0)
        return run(self, *arguments)

    monkeypatch.setattr(SavedModelSession, "run", held_run)
    answers: list = []

    def ask(**port):
        with Client(**port) as client:
            try:
                answers.append(client.predict("hp2", {"x": np.float32([2.0])})["y"].tolist())
            except ServingError as error:
                answers.append(error)

    with ModelServer(hp2_root) as server:
        port = {request.param: getattr(server, request.param)}
        thread = threading.Thread(target=ask, kwargs=port)
        thread.start()
        assert entered.wait(30.0)

        def finish():
            release.set()
            thread.join()

        yield server, finish, answers
        finish()


@pytest.mark.integration
def test_stop_answers_running_requests_and_refuses_new_ones(held):
    server, finish, answers = held
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    while not server._core.admission.draining:
        time.sleep(0.01)
    for port in ({"grpc_port": server.grpc_port}, {"rest_port": server.rest_port}):
        with Client(**port, retries=Retries(0)) as client, pytest.raises(ServingError) as caught:
            client.status("hp2")
        assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    assert stopping.is_alive()
    finish()
    stopping.join()
    assert answers == [[3.0]]


@pytest.mark.integration
def test_stop_cuts_off_what_outlasts_the_grace(held):
    server, finish, answers = held
    start = time.monotonic()
    server.stop(grace=0.2)
    assert time.monotonic() - start < 25.0  # the request is held for 30 s
    finish()
    (answer,) = answers
    assert isinstance(answer, ServingError) and answer.code is grpc.StatusCode.UNAVAILABLE


MAIN = """
import json, sys, time
from aae_tf.export.saved_model_session import SavedModelSession
from aae_tf.serving import ModelServer

run = SavedModelSession.run

def slow_run(self, *arguments):
    print("running", flush=True)
    time.sleep(1.0)
    return run(self, *arguments)

SavedModelSession.run = slow_run
with ModelServer(sys.argv[1]) as server:
    print(json.dumps([server.grpc_port, server.rest_port]), flush=True)
    server.run_until_signal()
print("stopped")
"""


@pytest.mark.integration
def test_sigterm_drains_and_the_process_exits_with_0(hp2_root):
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, str(hp2_root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
    )
    try:
        grpc_port, rest_port = json.loads(process.stdout.readline())
        connection = HTTPConnection("127.0.0.1", rest_port, timeout=60.0)
        connection.request("POST", "/v1/models/hp2:predict", '{"instances": [2.0]}')
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGTERM)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())) == (200, {"predictions": [3.0]})
        connection.close()
        out, err = process.communicate(timeout=60.0)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, err
    assert out == "stopped\n"
    assert "Traceback" not in err
    assert not is_open(grpc_port) and not is_open(rest_port)


@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_the_server_and_get_their_handlers_back(hp2_root, number):
    before = signal.getsignal(number)
    server = ModelServer(hp2_root)
    server.start()

    def send():
        while signal.getsignal(number) is before:  # or the signal would end the tests
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=send)
    sender.start()
    server.run_until_signal(grace=1.0)
    sender.join()
    assert signal.getsignal(number) is before
    with (
        Client(grpc_port=server.grpc_port, retries=Retries(0)) as client,
        pytest.raises(ServingError, match=r"^UNAVAILABLE: The server stops"),
    ):
        client.predict("hp2", {"x": np.float32([1.0])})
    server.stop()
    assert server.models == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"file_system_poll_wait_seconds": -1.0},
            r"`file_system_poll_wait_seconds` to be at least 0\. Received: .*=-1\.0",
        ),
        (
            {"model_config_file_poll_wait_seconds": float("nan")},
            r"`model_config_file_poll_wait_seconds` to be at least 0",
        ),
        (
            {"model_config_file": "b"},
            r"one of `root`, `model_config_file` and `model_base_path`\. .*root=models, ",
        ),
        (
            {"batching_parameters_file": "b"},
            "Expected `enable_batching` where parameters for it are given",
        ),
    ],
)
def test_bad_flags(arguments, message):
    with pytest.raises(ValueError, match=message):
        ModelServer("models", **arguments)


@pytest.mark.integration
def test_a_version_brings_its_own_batching_parameters(hp2_root):
    own = hp2_root / "hp2" / "123" / "batching_params.pbtxt"
    own.write_text("max_batch_size { value: 2 }")
    flags = {"enable_batching": True, "enable_per_model_batching_parameters": True}
    x = {"x": np.float32([1.0, 2.0, 3.0])}
    with (
        ModelServer(hp2_root, **flags) as server,
        Client(grpc_port=server.grpc_port) as client,
        pytest.raises(ServingError, match="larger than maximum input batch size 2"),
    ):
        client.predict("hp2", x)
    with (
        ModelServer(hp2_root, enable_batching=True) as server,
        Client(grpc_port=server.grpc_port) as client,
    ):
        assert client.predict("hp2", x)["y"].shape == (3,)
    own.write_text("max_batch_size { value: 4 } allowed_batch_sizes: 2")
    with pytest.raises(ServerError, match="Last entry in allowed_batch_sizes must match"):
        ModelServer(hp2_root, **flags).start()


def test_signatures_of_what_is_served(server, hp2_root):
    assert set(server.signatures("linear")) == {"serving_default"}
    with pytest.raises(ServingError, match=r"NOT_FOUND: .*Latest\(no\)"):
        server.signatures("no")
    with pytest.raises(ServingError, match="Expected the server to be started"):
        ModelServer(hp2_root).signatures("hp2")


def test_keras_models(tmp_path):
    """A Keras model as Keras exports it, and one made under a strategy, answer alike."""
    strategies = {
        "plain": tf.distribute.get_strategy(),
        "mirrored": tf.distribute.MirroredStrategy(["/cpu:0"]),
    }
    for name, strategy in strategies.items():
        with strategy.scope():
            inputs = keras.Input([1], name="x")
            dense = keras.layers.Dense(1, kernel_initializer="ones", bias_initializer="ones")
            model = keras.Model(inputs, dense(inputs))
        model.export(str(tmp_path / name / "1"), verbose=False)
    with ModelServer(tmp_path) as server:
        for name in strategies:
            signature = server.signatures(name)["serving_default"]
            (alias,) = signature.inputs
            with Client(grpc_port=server.grpc_port) as client:
                (y,) = client.predict(name, {alias: np.float32([[2.0]])}).values()
            assert y.tolist() == [[3.0]]
