"""Adversarial autoencoders for Keras 3 on TensorFlow: train, export, serve."""

import importlib
from types import ModuleType

from aae_tf import data, divergences, mmd, models, networks, posteriors, priors
from aae_tf.models import AAE

__version__ = "0.1.0"

__all__ = [
    "AAE",
    "callbacks",
    "data",
    "divergences",
    "evaluation",
    "export",
    "mmd",
    "models",
    "networks",
    "posteriors",
    "priors",
    "serving",
]

# Imported when they are first used: they bring Matplotlib, gRPC and an HTTP server.
_ON_DEMAND = ("callbacks", "evaluation", "export", "serving")


def __getattr__(name: str) -> ModuleType:
    if name in _ON_DEMAND:
        return importlib.import_module(f"aae_tf.{name}")
    raise AttributeError(f"module 'aae_tf' has no attribute {name!r}")
