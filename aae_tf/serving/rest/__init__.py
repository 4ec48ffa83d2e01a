"""The REST side of the server: addresses, JSON in and out, HTTP."""

from aae_tf.serving.rest.rest_front import RestFront

__all__ = ["RestFront"]
