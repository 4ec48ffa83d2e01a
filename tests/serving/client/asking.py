"""One call of a client, of either kind and over either protocol."""

import asyncio

from aae_tf.serving.client import AsyncClient, Client

WAYS = [(kind, protocol) for kind in ("threads", "asyncio") for protocol in ("grpc", "rest")]


def ask(kind, arguments, method, *args, **kwargs):
    """Calls `method` of a new client that is made with `arguments`."""
    if kind == "threads":
        with Client(**arguments) as client:
            return getattr(client, method)(*args, **kwargs)

    async def run():
        async with AsyncClient(**arguments) as client:
            return await getattr(client, method)(*args, **kwargs)

    return asyncio.run(run())
