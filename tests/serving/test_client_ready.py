import socket
import threading
import time

import grpc
import pytest

from aae_tf.serving import ModelServer, ServingError
from tests.serving.asking import WAYS, ask
from tests.serving.fake_servers import SERVERS, Behaviour

pytestmark = pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way))


@pytest.fixture(scope="module")
def aae_server(aae_root):
    with ModelServer(aae_root) as server:
        yield server


def wait(way, port, *args, **kwargs):
    return ask(way[0], {f"{way[1]}_port": port}, "wait_until_ready", *args, **kwargs)


def test_a_server_that_is_ready(way, aae_server):
    assert wait(way, getattr(aae_server, f"{way[1]}_port")) is None


def test_a_model_that_loads(way):
    behaviour = Behaviour()
    behaviour.states = ["UNAVAILABLE", "NOT_FOUND", "START", "LOADING", "AVAILABLE"]
    with SERVERS[way[1]](behaviour) as port:
        wait(way, port, "a", timeout=10)
    times = [asked.time for asked in behaviour.asked]
    assert len(times) == 5
    assert times[-1] - times[0] >= 0.39  # a pause between any two


def test_every_model_is_waited_for(way):
    behaviour = Behaviour()
    behaviour.states = ["AVAILABLE", "LOADING", "AVAILABLE"]
    with SERVERS[way[1]](behaviour) as port:
        wait(way, port, ["a", "b"], timeout=10)
    assert len(behaviour.asked) == 3


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("END", r"Model a is not ready after 0\.3 s: its versions are {1: 'END'}"),
        ("NOT_FOUND", r"Model a is not ready after 0\.3 s: NOT_FOUND: on purpose"),
    ],
)
def test_a_model_that_does_not_come(way, state, message):
    behaviour = Behaviour()
    behaviour.states = [state]
    with SERVERS[way[1]](behaviour) as port:
        started = time.monotonic()
        with pytest.raises(ServingError, match=message) as caught:
            wait(way, port, "a", timeout=0.3)
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - started < 2
    assert len(behaviour.asked) >= 2


def test_other_errors_are_raised_at_once(way):
    behaviour = Behaviour()
    behaviour.states = ["PERMISSION_DENIED"]
    with SERVERS[way[1]](behaviour) as port, pytest.raises(ServingError, match="PERMISSION_DENIED"):
        wait(way, port, "a", timeout=10)
    assert len(behaviour.asked) == 1


def test_a_server_that_starts_later(way):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    behaviour = Behaviour()
    behaviour.states = ["AVAILABLE"]
    stop = threading.Event()

    def serve():
        time.sleep(0.3)
        with SERVERS[way[1]](behaviour, port):
            stop.wait(30)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        started = time.monotonic()
        wait(way, port, "a", timeout=20)
        assert 0.25 < time.monotonic() - started < 4
    finally:
        stop.set()
        thread.join()


def test_a_server_that_hangs(way):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(ServingError, match=r"Model a is not ready after 0\.5 s: ") as caught:
            wait(way, silent.getsockname()[1], "a", timeout=0.5)
        assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
