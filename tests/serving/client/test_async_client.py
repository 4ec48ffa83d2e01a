import asyncio
import threading
import time

import grpc
import numpy as np
import pytest

from aae_tf.serving import ServingError
from aae_tf.serving.client import AsyncClient, Client
from tests.serving.client.fake_servers import SERVERS, Behaviour

ROWS = np.arange(8, dtype=np.float32).reshape(4, 2)
PROTOCOLS = pytest.mark.parametrize("protocol", ["grpc", "rest"])


@pytest.mark.integration
@PROTOCOLS
def test_calls_overlap(protocol):
    behaviour = Behaviour(lambda *_: behaviour.wait_for_predicts(8))

    async def run(port):
        # Made outside of any task, and used by many.
        async with AsyncClient(**{f"{protocol}_port": port}, timeout=120) as client:
            return await asyncio.gather(*(client.encode(ROWS + i) for i in range(8)))

    with SERVERS[protocol](behaviour) as port:
        answers = asyncio.run(run(port))
    for i, answer in enumerate(answers):
        np.testing.assert_array_equal(answer, ROWS + i)
    assert behaviour.most_at_once == 8


@pytest.mark.integration
@PROTOCOLS
def test_the_loop_runs_on_meanwhile(protocol):
    async def run(port):
        async with AsyncClient(**{f"{protocol}_port": port}) as client:
            call = asyncio.ensure_future(client.encode(ROWS))
            while not behaviour.predicts:
                await asyncio.sleep(0.01)
            ran_on.set()
            await call

    ran_on = threading.Event()
    behaviour = Behaviour(lambda *_: None if ran_on.wait(60) else grpc.StatusCode.INTERNAL)
    with SERVERS[protocol](behaviour) as port:
        asyncio.run(run(port))


@pytest.mark.integration
@PROTOCOLS
@pytest.mark.parametrize("batch_size", [None, 2])
def test_a_call_that_is_cancelled_ends_its_requests(protocol, batch_size):
    arrived = threading.Event()

    def answer(*_):
        arrived.set()
        behaviour.cancelled.wait(60)

    behaviour = Behaviour(answer)

    async def run(port):
        client = AsyncClient(**{f"{protocol}_port": port})
        call = asyncio.ensure_future(client.encode(ROWS, batch_size=batch_size))
        await asyncio.get_running_loop().run_in_executor(None, arrived.wait, 60)
        call.cancel()
        started = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await call
        await client.close()
        return time.monotonic() - started

    with SERVERS[protocol](behaviour) as port:
        assert asyncio.run(run(port)) < 30
        assert behaviour.cancelled.wait(60)


@pytest.mark.integration
@PROTOCOLS
def test_a_client_made_before_the_loop(protocol):
    behaviour = Behaviour()
    with SERVERS[protocol](behaviour) as port:
        client = AsyncClient(**{f"{protocol}_port": port})

        async def run():
            async with client:
                return await client.encode(ROWS)

        np.testing.assert_array_equal(asyncio.run(run()), ROWS)


@PROTOCOLS
def test_a_client_that_was_never_used_closes(protocol):
    asyncio.run(AsyncClient(**{f"{protocol}_port": 1}).close())


def test_both_clients_have_the_same_methods():
    def methods(cls):
        return {name for name in vars(cls) if not name.startswith("_")}

    assert methods(AsyncClient) == methods(Client)


@PROTOCOLS
def test_the_server_answers_both_clients_alike(aae_server, protocol):
    port = {f"{protocol}_port": getattr(aae_server, f"{protocol}_port")}
    images = np.random.default_rng(0).normal(size=[5, 2, 2])

    async def run():
        async with AsyncClient(**port) as client:
            with pytest.raises(ServingError, match=r"^NOT_FOUND: Could not find any versions of"):
                await client.status("no")
            return await asyncio.gather(client.status("encoder"), client.encode(images))

    states, latents = asyncio.run(run())
    with Client(**port) as client:
        assert states == client.status("encoder")
        np.testing.assert_array_equal(latents, client.encode(images))
