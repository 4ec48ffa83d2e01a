"""The values that models and training hand to each other: batches, codes, terms, results."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.divergences import DivergenceTerms
from aae_tf.losses import LossTerm
from aae_tf.losses.weights import Weight

Tensors = dict[str, tf.Tensor]


class Batch(NamedTuple):
    """One batch as the hooks of a model see it.

    Attributes:
        inputs: float [batch, ...], what is encoded.
        labels: int32 [batch], -1 where unknown; None where there are none, or the model does not
            look at them.
        sample_weight: float32 [batch], or None.
        targets: float [batch, ...], what outputs are compared with; None: the inputs.

    Example:

    >>> batch = Batch(tf.zeros([3, 8, 8, 1]), labels=tf.constant([4, -1, 2]), sample_weight=None)
    >>> tuple(batch.inputs.shape)
    (3, 8, 8, 1)
    """

    inputs: tf.Tensor
    labels: tf.Tensor | None
    sample_weight: tf.Tensor | None
    targets: tf.Tensor | None = None

    @property
    def compared(self) -> tf.Tensor:
        """What outputs are compared with, float [batch, ...]: the targets, or the inputs."""
        return self.inputs if self.targets is None else self.targets


class Code(NamedTuple):
    """One code of a model and the prior that it is matched to.

    Attributes:
        prior: what its aggregated posterior is matched to; event_shape [width].
        divergence: a `Divergence`, or several in a dict by log key, as `divergences.get` returns
            them; None where a model has the code and does not match it.
        output: its key in the model's `sample_codes`.
        num_classes: number of the prior's components where labels choose one, None elsewhere.
        is_gaussian: whether it is a sample of a `posteriors.Gaussian`, whose `mean` and
            `log_variance` `sample_codes` gives beside it. `BaseAAE` sets it.
        network_width: number of the encoder's features; None without an encoder. `BaseAAE` sets it.

    Example:

    >>> from aae_tf import divergences, priors
    >>> Code(priors.gaussian(2), divergences.MMD()).output
    'latents'
    """

    prior: tfp.distributions.Distribution
    divergence: Any
    output: str = "latents"
    num_classes: int | None = None
    is_gaussian: bool = False
    network_width: int | None = None

    @property
    def divergences(self) -> dict[str, Any]:
        """The divergences by what their logs have behind the code's name: "" for one alone."""
        if isinstance(self.divergence, Mapping):
            return {f"_{key}": each for key, each in self.divergence.items()}
        return {} if self.divergence is None else {"": self.divergence}

    def connect(self, seed: int) -> None:
        """Connects the divergences to the prior.

        Args:
            seed: non-negative integer that fixes the initial weights of divergences.
        """
        arguments: dict[str, Any] = {}
        if self.num_classes is not None:
            arguments["num_classes"] = self.num_classes
        if self.is_gaussian:
            arguments["has_gaussian_posterior"] = True
        if self.network_width is not None:
            arguments["network_width"] = self.network_width
        further = np.random.SeedSequence(seed).generate_state(max(len(self.divergences) - 1, 0))
        seeds = [seed, *map(int, further)]
        for each, own_seed in zip(self.divergences.values(), seeds, strict=False):
            each.connect(self.prior, seed=own_seed, **arguments)


class ExtraTerm(NamedTuple):
    """A term of the encoder's loss beside reconstruction and divergences, or a value to log.

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


class LossTerms(NamedTuple):
    """The terms of the loss of one batch, not weighted.

    Attributes:
        reconstruction: float32 [batch], the loss of each example; None where inputs are not
            reconstructed.
        divergences: the terms of each divergence, by the key of `Objective.divergences`.
        extra: further terms by log key.
        outputs: float32 [batch, ...], what was compared with the inputs; None where nothing asks
            for it.
    """

    reconstruction: tf.Tensor | None
    divergences: dict[str, DivergenceTerms]
    extra: dict[str, ExtraTerm]
    outputs: tf.Tensor | None = None


class Update(NamedTuple):
    """The result of one update.

    Attributes:
        accepted: bool scalar: whether the guard accepted it.
        shortened: bool scalar: whether its step was made shorter.
        overflows: bool scalar: whether it was rejected since the scale of its float16 loss was too
            large, and nothing else.
    """

    accepted: tf.Tensor
    shortened: tf.Tensor
    overflows: tf.Tensor


class StepResult(NamedTuple):
    """The result of one training step.

    Attributes:
        terms: the terms of the loss.
        loss: what encoder and decoder lowered.
        updates: the results of the updates, in their order.
        logs: further scalars to log, by log key.
    """

    terms: LossTerms
    loss: tf.Tensor
    updates: list[Update]
    logs: Tensors


class TrainableModel(Protocol):
    """The hooks of a model that training calls; `models.BaseModel` documents them.

    Attributes:
        codes: what is matched to priors, by name.
        decoder: the network that makes outputs.
        reconstructs: whether inputs are reconstructed from their codes.
        loss_terms: further terms that the model was given.
        layers: all layers, the divergences among them.
        metrics: what is reported of an epoch.
        non_trainable_weights: moving averages and the like.
    """

    codes: Mapping[str, Code]
    decoder: keras.Model
    reconstructs: bool
    loss_terms: tuple[LossTerm, ...]
    metrics: list[keras.metrics.Metric]
    layers: list[keras.layers.Layer]
    non_trainable_weights: list[keras.Variable]

    def sample_codes(self, batch: Batch, seed: tf.Tensor, training: bool) -> Tensors:
        """Gives one sample of each code."""

    def decoder_inputs(self, codes: Tensors) -> tf.Tensor:
        """Gives what the decoder receives."""

    def extra_terms(
        self, codes: Tensors, batch: Batch, seed: tf.Tensor, training: bool
    ) -> dict[str, ExtraTerm]:
        """Gives further terms of the encoder's loss, by log key."""

    def compare_arguments(self, code: str, batch: Batch) -> dict[str, tf.Tensor]:
        """Gives further arguments of `Divergence.compare`."""

    def compute_metrics(
        self, x: tf.Tensor, y: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None
    ) -> dict[str, Any]:
        """Adds a batch to the metrics that `compile` was given, and returns all results."""
