import socket
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from aae_tf.serving import ServingError
from tests.serving.client.asking import WAYS, ask
from tests.serving.client.fake_servers import SERVERS, Behaviour, reserved_port

pytestmark = [
    pytest.mark.integration,
    pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way)),
]


def wait(way, port, *args, **kwargs):
    return ask(way[0], {f"{way[1]}_port": port}, "wait_until_ready", *args, **kwargs)


def test_a_server_that_is_ready(way, aae_server):
    assert wait(way, getattr(aae_server, f"{way[1]}_port")) is None


def test_a_model_that_loads(way):
    behaviour = Behaviour()
    behaviour.states = ["UNAVAILABLE", "NOT_FOUND", "START", "LOADING", "AVAILABLE"]
    with SERVERS[way[1]](behaviour) as port:
        wait(way, port, "a", timeout=60)
    times = [asked.time for asked in behaviour.asked]
    assert len(times) == 5
    assert times[-1] - times[0] >= 0.39  # a pause between any two


def test_every_model_is_waited_for(way):
    behaviour = Behaviour()
    behaviour.states = ["AVAILABLE", "LOADING", "AVAILABLE"]
    with SERVERS[way[1]](behaviour) as port:
        wait(way, port, ["a", "b"], timeout=60)
    assert len(behaviour.asked) == 3


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("END", r"Model a is not ready after 1\.7 s: its versions are {1: 'END'}"),
        ("NOT_FOUND", r"Model a is not ready after 1\.7 s: NOT_FOUND: on purpose"),
    ],
)
def test_a_model_that_does_not_come(way, state, message, monkeypatch):
    # The second and last request has 0.8 s for its answer.
    monkeypatch.setattr("aae_tf.serving.client.dispatcher._POLL_INTERVAL", 0.9)
    behaviour = Behaviour()
    behaviour.states = [state]
    with SERVERS[way[1]](behaviour) as port:
        started = time.monotonic()
        with pytest.raises(ServingError, match=message) as caught:
            wait(way, port, "a", timeout=1.7)
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - started < 30
    assert 1 <= len(behaviour.asked) <= 2


def test_other_errors_are_raised_at_once(way):
    behaviour = Behaviour()
    behaviour.states = ["PERMISSION_DENIED"]
    with SERVERS[way[1]](behaviour) as port, pytest.raises(ServingError, match="PERMISSION_DENIED"):
        wait(way, port, "a", timeout=60)
    assert len(behaviour.asked) == 1


def test_a_server_that_starts_later(way):
    behaviour = Behaviour()
    behaviour.states = ["AVAILABLE"]
    with reserved_port() as port, ThreadPoolExecutor(1) as pool:
        call = pool.submit(wait, way, port, "a", timeout=60)
        time.sleep(0.3)  # time to fail
        assert not call.done()
        with SERVERS[way[1]](behaviour, port):
            call.result()


def test_a_server_that_hangs(way):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(ServingError, match=r"Model a is not ready after 0\.5 s: ") as caught:
            wait(way, silent.getsockname()[1], "a", timeout=0.5)
        assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
