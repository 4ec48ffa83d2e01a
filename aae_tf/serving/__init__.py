"""Serve exported models, and call a server: the protocols are TensorFlow Serving's own."""

import importlib
from typing import TYPE_CHECKING, Any

from aae_tf.checks import import_extra

if TYPE_CHECKING:
    from aae_tf.serving.client import AsyncClient, Client, Retries
    from aae_tf.serving.errors import ServerError, ServingError
    from aae_tf.serving.load_generator import LoadReport, run_load_test
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

# Imported when first used: the server needs TensorFlow, the clients do not.
_MODULES = {
    "AsyncClient": "client",
    "Client": "client",
    "Retries": "client",
    "ServerError": "errors",
    "ServingError": "errors",
    "LoadReport": "load_generator",
    "run_load_test": "load_generator",
    "ModelServer": "model_server",
}
# Packages of the extra [serving], which the modules above import at their top.
_CLIENT_PACKAGES = ("grpc",)
_SERVER_PACKAGES = (
    "grpc",
    "tensorflow_serving",
    "starlette",
    "uvicorn",
    "prometheus_client",
    "orjson",
)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'aae_tf.serving' has no attribute {name!r}")
    module = _MODULES[name]
    for package in _SERVER_PACKAGES if module == "model_server" else _CLIENT_PACKAGES:
        import_extra(package, "serving", f"aae_tf.serving.{name}")
    return getattr(importlib.import_module(f"aae_tf.serving.{module}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
