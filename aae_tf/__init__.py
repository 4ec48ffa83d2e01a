"""Adversarial autoencoders for Keras 3 on TensorFlow: train, export, serve."""

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "AAE",
    "GAN",
    "GMMN",
    "VAE",
    "ClusteringAAE",
    "EmbeddingAAE",
    "LabelGuidedAAE",
    "SemiSupervisedAAE",
    "SupervisedAAE",
    "bulk",
    "callbacks",
    "data",
    "divergences",
    "evaluation",
    "export",
    "losses",
    "mmd",
    "models",
    "networks",
    "posteriors",
    "priors",
    "replicas",
    "serving",
]

# `import aae_tf` registers the models with Keras, so that saved ones load. The command line waits:
# its help needs no TensorFlow, and each command imports what it uses.
_IS_COMMAND_LINE = Path(sys.argv[0] if sys.argv else "").stem == "aae-tf"

if TYPE_CHECKING or not _IS_COMMAND_LINE:
    from aae_tf import data, divergences, losses, mmd, models, networks, posteriors, priors
    from aae_tf.models import (
        AAE,
        GAN,
        GMMN,
        VAE,
        ClusteringAAE,
        EmbeddingAAE,
        LabelGuidedAAE,
        SemiSupervisedAAE,
        SupervisedAAE,
    )


def __getattr__(name: str) -> Any:
    # The upper layers bring Matplotlib, gRPC and an HTTP server: imported when first used.
    if name in __all__ and name[0].isupper():
        return getattr(importlib.import_module("aae_tf.models"), name)
    if name in __all__:
        return importlib.import_module(f"aae_tf.{name}")
    raise AttributeError(f"module 'aae_tf' has no attribute {name!r}")
