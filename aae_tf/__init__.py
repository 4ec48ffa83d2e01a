"""Adversarial autoencoders for Keras 3 on TensorFlow: train, export, serve."""

import importlib
from typing import TYPE_CHECKING, Any

from aae_tf.registered_classes import register_when_keras_is_imported

__version__ = "0.1.0"

__all__ = [
    "AAE",
    "GAN",
    "GMMN",
    "VAE",
    "AnomalyDetector",
    "ClusteringAAE",
    "EmbeddingAAE",
    "LabelGuidedAAE",
    "SemiSupervisedAAE",
    "SupervisedAAE",
    "bulk",
    "callbacks",
    "data",
    "detector",
    "divergences",
    "evaluation",
    "export",
    "losses",
    "mmd",
    "models",
    "networks",
    "offline",
    "posteriors",
    "priors",
    "replicas",
    "serving",
]

if TYPE_CHECKING:
    from aae_tf import (
        bulk,
        callbacks,
        data,
        detector,
        divergences,
        evaluation,
        export,
        losses,
        mmd,
        models,
        networks,
        offline,
        posteriors,
        priors,
        replicas,
        serving,
    )
    from aae_tf.detector import AnomalyDetector
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

register_when_keras_is_imported()


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used: `import aae_tf` itself needs no TensorFlow."""
    if name not in __all__:
        raise AttributeError(f"module 'aae_tf' has no attribute {name!r}")
    if name[0].isupper():
        package = "detector" if name == "AnomalyDetector" else "models"
        value = getattr(importlib.import_module(f"aae_tf.{package}"), name)
    else:
        value = importlib.import_module(f"aae_tf.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
