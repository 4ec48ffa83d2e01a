"""Serve exported models, and ask a server: the protocols are TensorFlow Serving's own."""

from aae_tf.serving.client import AsyncClient, Client, Retries
from aae_tf.serving.errors import ServerError, ServingError
from aae_tf.serving.load_report import LoadReport
from aae_tf.serving.load_test import run_load_test
from aae_tf.serving.model_server import ModelServer

__all__ = [
    "AsyncClient",
    "Client",
    "LoadReport",
    "ModelServer",
    "Retries",
    "ServerError",
    "ServingError",
    "run_load_test",
]
