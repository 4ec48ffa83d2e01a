"""Pictures of a model while it trains, as PNG files and in TensorBoard."""

from aae_tf.callbacks.figure_callback import FigureCallback
from aae_tf.callbacks.latent_scatter import LatentScatter
from aae_tf.callbacks.reconstructions import Reconstructions
from aae_tf.callbacks.sample_grid import SampleGrid

__all__ = ["FigureCallback", "LatentScatter", "Reconstructions", "SampleGrid"]
