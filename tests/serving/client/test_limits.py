import contextlib
import http.client
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest

from aae_tf.serving import ServingError
from aae_tf.serving.client import Client, Retries
from aae_tf.serving.client.executors import AsyncioExecutor, ThreadExecutor
from tests.serving.client.asking import WAYS, ask
from tests.serving.client.fake_servers import SERVERS, Behaviour, reserved_port

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
ROWS = [[1.0, 2.0], [3.0, 4.0]]


def encode(way, behaviour, rows=ROWS, **arguments):
    kind, protocol = way
    with SERVERS[protocol](behaviour) as port:
        return ask(kind, {f"{protocol}_port": port, **arguments}, "encode", rows)


@pytest.mark.integration
@pytest.mark.parametrize("way", WAYS)
class TestRetries:
    def test_unavailable_is_asked_again_after_the_pauses(self, way, monkeypatch):
        pauses = []
        for executor in (ThreadExecutor, AsyncioExecutor):
            sleep = executor.sleep

            async def record(self, seconds, sleep=sleep):
                pauses.append(seconds)
                await sleep(self, seconds)

            monkeypatch.setattr(executor, "sleep", record)
        behaviour = Behaviour(lambda number, _: UNAVAILABLE if number < 2 else None)
        retries = Retries(2, 0.05, generator=np.random.default_rng(1))
        latents = encode(way, behaviour, retries=retries)
        np.testing.assert_array_equal(latents, ROWS)
        u = np.random.default_rng(1).uniform(0.5, 1.0, 2)
        np.testing.assert_allclose(pauses, [0.05, 0.1] * u)
        gaps = np.diff([asked.time for asked in behaviour.predicts])
        assert (gaps >= np.array(pauses) - 0.001).all()

    def test_the_number_is_bounded(self, way):
        behaviour = Behaviour(lambda *_: UNAVAILABLE)
        with pytest.raises(ServingError, match=r"^UNAVAILABLE: on purpose"):
            encode(way, behaviour, retries=Retries(2, 0.0))
        assert len(behaviour.predicts) == 3

    @pytest.mark.parametrize(
        "code", ["DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INVALID_ARGUMENT", "UNKNOWN"]
    )
    def test_nothing_else_is_asked_again(self, way, code):
        behaviour = Behaviour(lambda *_: grpc.StatusCode[code])
        with pytest.raises(ServingError, match=f"^{code}: on purpose"):
            encode(way, behaviour)
        assert len(behaviour.predicts) == 1

    def test_no_pause_reaches_beyond_the_deadline(self, way):
        behaviour = Behaviour(lambda *_: UNAVAILABLE)
        started = time.monotonic()
        with pytest.raises(ServingError, match=r"^UNAVAILABLE: on purpose"):
            encode(way, behaviour, timeout=60.0, retries=Retries(3, 300.0, 300.0))
        assert len(behaviour.predicts) == 1
        assert time.monotonic() - started < 30

    def test_the_deadline_is_that_of_all_retries(self, way):
        behaviour = Behaviour(lambda *_: time.sleep(0.15) or UNAVAILABLE)
        started = time.monotonic()
        with pytest.raises(ServingError, match=r"^(DEADLINE_EXCEEDED|UNAVAILABLE): "):
            encode(way, behaviour, timeout=0.5, retries=Retries(100, 0.01, 0.01))
        assert 1 <= len(behaviour.predicts) <= 4  # each takes 0.15 s
        assert time.monotonic() - started < 30

    def test_the_deadline_is_that_of_all_batches(self, way):
        behaviour = Behaviour(lambda *_: time.sleep(0.1))
        rows = np.zeros([40, 2])
        with pytest.raises(ServingError, match=r"^DEADLINE_EXCEEDED: Rows \d+ to \d+: "):
            encode(way, behaviour, rows, timeout=0.5, batch_size=1, max_in_flight=2)
        assert 1 <= len(behaviour.predicts) <= 12  # two at a time, each 0.1 s


@pytest.mark.integration
@pytest.mark.parametrize("way", WAYS)
def test_a_call_has_a_timeout_of_its_own(way):
    kind, protocol = way
    behaviour = Behaviour(lambda *_: None if behaviour.cancelled.wait(120) else UNAVAILABLE)
    with SERVERS[protocol](behaviour) as port:
        arguments = {f"{protocol}_port": port, "timeout": 100.0}
        started = time.monotonic()
        with pytest.raises(ServingError, match=r"^DEADLINE_EXCEEDED: "):
            ask(kind, arguments, "encode", ROWS, timeout=0.1)
        assert time.monotonic() - started < 50
        with pytest.raises(ValueError, match=r"`timeout` to be above 0 .*timeout=-1"):
            ask(kind, arguments, "encode", ROWS, timeout=-1)


@pytest.mark.integration
@pytest.mark.parametrize("way", WAYS)
def test_a_server_that_appears_while_a_call_is_retried(way):
    kind, protocol = way
    with reserved_port() as port, ThreadPoolExecutor(1) as pool:
        arguments = {f"{protocol}_port": port, "retries": Retries(1000, 0.05, 0.05)}
        call = pool.submit(ask, kind, arguments, "encode", ROWS)
        time.sleep(0.3)  # time to fail
        with SERVERS[protocol](Behaviour(), port):
            np.testing.assert_array_equal(call.result(), ROWS)


def _http_server(answers):
    """Serves each connection the next of `answers`, then closes it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        for answer in answers:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(ConnectionError):
                connection.recv(2**16)
                for piece in answer:
                    connection.sendall(piece)
                    time.sleep(0.02)

    thread = threading.Thread(target=serve)
    thread.start()
    return listener, thread


STATUS = b'{"model_version_status": [{"version": "1", "state": "AVAILABLE"}]}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(STATUS)


@pytest.mark.integration
@pytest.mark.parametrize("lost", [[], [HEAD], [HEAD, STATUS[:20]]])
def test_a_lost_connection_is_asked_again(lost):
    listener, thread = _http_server([lost, [HEAD, STATUS]])
    with listener, Client(rest_port=listener.getsockname()[1]) as client:
        assert client.status("encoder") == {1: "AVAILABLE"}
        thread.join()


@pytest.mark.integration
def test_what_is_no_http_is_not_asked_again():
    listener, thread = _http_server([[b"SSH-2.0-OpenSSH\r\n"]])
    with listener, Client(rest_port=listener.getsockname()[1]) as client:
        with pytest.raises(ServingError, match=r"^UNKNOWN: .*\(BadStatusLine\)"):
            client.status("encoder")
        thread.join()


@pytest.mark.integration
def test_an_answer_in_drops_does_not_outlast_the_deadline():
    drops = [STATUS[i : i + 1] for i in range(len(STATUS))] * 10
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(drops)
    listener, thread = _http_server([[head, *drops]])  # for 13 s, unless the client leaves
    with listener, Client(rest_port=listener.getsockname()[1], timeout=0.3) as client:
        started = time.monotonic()
        with pytest.raises(ServingError, match=r"^DEADLINE_EXCEEDED: No answer within 0\.3 s"):
            client.status("encoder")
        assert time.monotonic() - started < 10
        thread.join()


@pytest.mark.integration
def test_an_answer_in_chunks():
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = [b"%x\r\n%s\r\n" % (len(part), part) for part in (STATUS[:9], STATUS[9:])]
    listener, thread = _http_server([[head, *chunks, b"0\r\n\r\n"]])
    with listener, Client(rest_port=listener.getsockname()[1]) as client:
        assert client.status("encoder") == {1: "AVAILABLE"}
        thread.join()


@pytest.mark.integration
def test_an_answer_without_a_length_ends_with_the_connection():
    listener, thread = _http_server([[b"HTTP/1.0 200 OK\r\n\r\n", STATUS]])
    with listener, Client(rest_port=listener.getsockname()[1]) as client:
        assert client.status("encoder") == {1: "AVAILABLE"}
        thread.join()


class TestDelays:
    def test_they_double_up_to_the_largest(self):
        retries = Retries(5, 1.0, 5.0, np.random.default_rng(0))
        u = np.random.default_rng(0).uniform(0.5, 1.0, 5)
        np.testing.assert_allclose(list(retries.delays()), [1, 2, 4, 5, 5] * u)

    def test_clients_differ(self):
        assert list(Retries().delays()) != list(Retries().delays())

    def test_none(self):
        assert list(Retries(0).delays()) == []

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"max_retries": -1}, ValueError, "`max_retries` to be at least 0"),
            ({"max_retries": 0.5}, TypeError, "`max_retries` to be an integer"),
            ({"initial_delay": -1}, ValueError, "`initial_delay` to be a finite number"),
            ({"max_delay": float("inf")}, ValueError, "`max_delay` to be a finite number"),
        ],
    )
    def test_bad_arguments(self, arguments, error, message):
        with pytest.raises(error, match=message):
            Retries(**arguments)


@pytest.mark.integration
def test_a_connection_in_use_while_the_client_is_closed_is_closed_afterwards(monkeypatch):
    closed = []
    close = http.client.HTTPConnection.close
    monkeypatch.setattr(
        http.client.HTTPConnection, "close", lambda self: closed.append(self) or close(self)
    )
    arrived = threading.Event()
    go_on = threading.Event()

    def answer(*_):
        arrived.set()
        go_on.wait(60)

    with SERVERS["rest"](Behaviour(answer)) as port, ThreadPoolExecutor(1) as pool:
        client = Client(rest_port=port)
        call = pool.submit(client.encode, ROWS)
        arrived.wait(60)
        client.close()
        assert closed == []
        go_on.set()
        np.testing.assert_array_equal(call.result(), ROWS)
        assert len(closed) == 1
