"""The family: one train step, a short class for each variant."""

from aae_tf.models.aae import AAE
from aae_tf.models.base_aae import BaseAAE
from aae_tf.models.codec import Codec
from aae_tf.models.step import Batch

__all__ = ["AAE", "BaseAAE", "Batch", "Codec"]
