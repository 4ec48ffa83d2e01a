"""What goes into a step, and what it measures."""

from typing import NamedTuple

import tensorflow as tf

from aae_tf.divergences import DivergenceTerms
from aae_tf.models.codec import Tensors


class Batch(NamedTuple):
    """One batch as the hooks of a model see it.

    Attributes:
        inputs: float [batch, ...], what is encoded and reconstructed.
        labels: [batch], what stood beside the inputs, or None.
        sample_weight: float32 [batch], or None.

    Example:

    >>> batch = Batch(tf.zeros([3, 8, 8, 1]), labels=tf.constant([4, -1, 2]), sample_weight=None)
    >>> tuple(batch.inputs.shape)
    (3, 8, 8, 1)
    """

    inputs: tf.Tensor
    labels: tf.Tensor | None
    sample_weight: tf.Tensor | None


class StepTerms(NamedTuple):
    """What one step measures.

    Attributes:
        reconstruction: float32 [batch], the loss of each example.
        divergences: the terms of each code, by the code's name.
        extra: scalar losses by log key, already weighted.
    """

    reconstruction: tf.Tensor
    divergences: dict[str, DivergenceTerms]
    extra: Tensors
