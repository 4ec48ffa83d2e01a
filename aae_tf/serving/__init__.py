"""Serve exported models, and ask a server: the protocols are TensorFlow Serving's own."""

from aae_tf.serving.client import Client
from aae_tf.serving.errors import ServerError, ServingError
from aae_tf.serving.model_server import ModelServer

__all__ = ["Client", "ModelServer", "ServerError", "ServingError"]
