import asyncio
import errno
import logging
import socket
import time

import uvicorn

from aae_tf.serving.rest import http_protocol
from aae_tf.serving.rest.http_protocol import HttpServer


class Starved(socket.socket):
    """A listening socket of a process that has no descriptor left."""

    attempts = 0

    def accept(self):
        self.attempts += 1
        raise OSError(errno.EMFILE, "Too many open files")


def test_out_of_descriptors_there_is_one_log_line_a_second(caplog):
    seconds = 1.5

    async def run(listening):
        config = uvicorn.Config(None, lifespan="off", log_config=None)
        server = HttpServer(config, on_shutdown=lambda: None)
        task = asyncio.create_task(server.serve([listening]))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        with socket.create_connection(listening.getsockname()):
            await asyncio.sleep(seconds)
        server.should_exit = True
        await task
        return time.monotonic() - began

    with caplog.at_level(logging.ERROR), Starved() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        took = asyncio.run(run(listening))
        attempts = listening.attempts
    # The event loop tries as often as connections may wait, and again a second later.
    assert attempts > 100
    lines = [record.getMessage() for record in caplog.records]
    assert 1 <= len(lines) <= 1 + took
    assert all(line.endswith("[Errno 24] Too many open files") for line in lines)


def test_what_the_loop_put_off_until_the_socket_was_closed_is_no_error(caplog):
    handle = http_protocol._LogOncePerSecond()
    callback = "Exception in callback BaseSelectorEventLoop._start_serving(...)"
    with caplog.at_level(logging.ERROR):
        handle(None, {"message": callback, "exception": ValueError("Invalid file descriptor: -1")})
        assert not caplog.records
        handle(None, {"message": callback, "exception": OSError("another")})
    assert [record.getMessage() for record in caplog.records] == [f"{callback}: another"]
