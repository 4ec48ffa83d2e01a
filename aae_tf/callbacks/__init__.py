"""Callbacks that draw figures and log numbers while a model trains.

Those that draw need Matplotlib: `pip install "aae_tf[figures]"`.
"""

from aae_tf.callbacks.balance_monitor import BalanceMonitor
from aae_tf.callbacks.class_frequencies import ClassFrequencies
from aae_tf.callbacks.figure_callback import FigureCallback
from aae_tf.callbacks.latent_fit import LatentFit
from aae_tf.callbacks.latent_scatter import LatentScatter
from aae_tf.callbacks.learning_curves import LearningCurves
from aae_tf.callbacks.projector import Projector
from aae_tf.callbacks.reconstructions import Reconstructions
from aae_tf.callbacks.sample_grid import SampleGrid
from aae_tf.callbacks.swap_ema_weights import SwapEMAWeights

__all__ = [
    "BalanceMonitor",
    "ClassFrequencies",
    "FigureCallback",
    "LatentFit",
    "LatentScatter",
    "LearningCurves",
    "Projector",
    "Reconstructions",
    "SampleGrid",
    "SwapEMAWeights",
]
