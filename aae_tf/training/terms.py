"""What goes into a step, and what it measures."""

from typing import NamedTuple

import tensorflow as tf

from aae_tf.divergences import DivergenceTerms
from aae_tf.losses.weights import Weight
from aae_tf.models.player import Update


class Batch(NamedTuple):
    """One batch as the hooks of a model see it.

    Attributes:
        inputs: float [batch, ...], what is encoded and reconstructed.
        labels: int32 [batch], -1 where unknown; None where there are none, or the model does not
            look at them.
        sample_weight: float32 [batch], or None.

    Example:

    >>> batch = Batch(tf.zeros([3, 8, 8, 1]), labels=tf.constant([4, -1, 2]), sample_weight=None)
    >>> tuple(batch.inputs.shape)
    (3, 8, 8, 1)
    """

    inputs: tf.Tensor
    labels: tf.Tensor | None
    sample_weight: tf.Tensor | None


class ExtraTerm(NamedTuple):
    """What a model measures beside reconstruction and divergences.

    Attributes:
        value: scalar, the mean over the examples that it tells of.
        weight: its factor in the encoder's loss; None where it is logged alone.
        rows: how many examples it tells of, the weight of this batch in the logged mean; None
            for all.

    Example:

    >>> ExtraTerm(tf.constant(0.5), weight=2.0).rows is None
    True
    """

    value: tf.Tensor
    weight: Weight | None = None
    rows: tf.Tensor | None = None


class StepTerms(NamedTuple):
    """What one step measures.

    Attributes:
        reconstruction: float32 [batch], the loss of each example; None where inputs are not
            reconstructed.
        divergences: the terms of each code, by the code's name.
        extra: further terms by log key.
    """

    reconstruction: tf.Tensor | None
    divergences: dict[str, DivergenceTerms]
    extra: dict[str, ExtraTerm]


class Outcome(NamedTuple):
    """What one training step measured and did.

    Attributes:
        terms: what it measured.
        loss: what the encoder's side lowered.
        updates: what became of the players' updates.
        observed: what else is logged of the step, by log key.
    """

    terms: StepTerms
    loss: tf.Tensor
    updates: list[Update]
    observed: dict[str, tf.Tensor]
