"""Ask a server, from threads or from coroutines: one conversation over both protocols."""

from aae_tf.serving.client.async_client import AsyncClient
from aae_tf.serving.client.client import Client
from aae_tf.serving.client.retries import Retries

__all__ = ["AsyncClient", "Client", "Retries"]
