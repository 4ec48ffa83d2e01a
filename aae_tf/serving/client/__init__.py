"""Clients of a model server, for threads and for asyncio, over gRPC or REST."""

from aae_tf.serving.client.async_client import AsyncClient
from aae_tf.serving.client.client import Client
from aae_tf.serving.client.limits import Retries
from aae_tf.serving.errors import ServingError

__all__ = ["AsyncClient", "Client", "Retries", "ServingError"]
