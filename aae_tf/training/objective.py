"""The loss of a model: its terms, measured, weighted and summed; and their means for the logs."""

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf import replicas
from aae_tf.divergences import Divergence, DivergenceTerms
from aae_tf.losses.weights import Weight, weight_at, weighted_mean
from aae_tf.training.own_terms import OwnTerms
from aae_tf.training.reconstruction_loss import ReconstructionLoss
from aae_tf.training.terms import Batch, ExtraTerm, LossTerms, Tensors, TrainableModel

# The value of a batch and its weight in the mean of an epoch, by log key.
LoggedValues = Mapping[str, tuple[tf.Tensor, Any]]


class Objective:
    """The terms of a model's loss, and how they are weighted and summed.

    Args:
        model: gives the samples of codes, what the decoder receives, and further terms.
        reconstruction_loss: compares outputs with inputs.
        reconstruction_weight: its factor.
        steps: scalar integer variable, the updates of encoder and decoder so far, of which
            `reconstruction_weight` may be a schedule.
        regularization_steps: the same for the updates that lower divergences and further terms.
        with_outputs: whether the terms that are measured have the decoder's outputs beside them.

    Attributes:
        divergences: by the prefix of their logs, the name of the code, with a log key behind it
            where the code has several; codes without one are left out.
        codes: the name of the code of each divergence, by the same keys.
    """

    def __init__(
        self,
        model: TrainableModel,
        reconstruction_loss: ReconstructionLoss,
        reconstruction_weight: Weight,
        steps: keras.Variable,
        regularization_steps: keras.Variable,
        with_outputs: bool = False,
    ) -> None:
        self.divergences: dict[str, Divergence] = divergences_of(model)
        self.codes: dict[str, str] = _codes_of(model)
        self._num_summed = reconstruction_loss.num_summed if model.reconstructs else 1
        self._model = model
        self._reconstruction_loss = reconstruction_loss
        self._reconstruction_weight = reconstruction_weight
        self._steps = steps
        self._regularization_steps = regularization_steps
        self._own_terms = OwnTerms(model.loss_terms)
        self._with_outputs = with_outputs or self._own_terms.use_outputs

    # Measuring.

    def measure(self, batch: Batch, codes: Tensors, seed: tf.Tensor, training: bool) -> LossTerms:
        """Measures every term on one batch.

        Args:
            batch: what is measured.
            codes: by name, as the model's `sample_codes` gives them.
            seed: integer [2]; fixes prior samples and noise.
            training: whether noise and penalties that belong to training are applied.
        """
        losses = outputs = None
        if self._model.reconstructs:
            losses, outputs = self.reconstruction(batch, codes, training)
        return LossTerms(
            losses,
            self.compare(codes, batch, seed, training),
            self.extra_terms(codes, batch, seed, training, outputs),
            outputs,
        )

    def reconstruction(
        self, batch: Batch, codes: Tensors, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Decodes codes and compares the outputs with the targets.

        Returns:
            The loss of each example, float32 [batch]; and the outputs, float32 [batch, ...], or
            None where nothing asks for them.
        """
        decoded = self._decode(codes, training)
        losses = self._reconstruction_loss.losses(batch.compared, decoded)
        return losses, self._reconstruction_loss.outputs(decoded) if self._with_outputs else None

    def extra_terms(
        self,
        codes: Tensors,
        batch: Batch,
        seed: tf.Tensor,
        training: bool,
        outputs: tf.Tensor | None = None,
    ) -> dict[str, ExtraTerm]:
        """Measures the model's further terms: those of its class, and those it was given.

        Args:
            codes: by name, as the model's `sample_codes` gives them.
            batch: what they are the codes of.
            seed: integer [2].
            training: whether the batch is trained on.
            outputs: the codes decoded; None decodes them where a term asks for them.
        """
        terms = self._model.extra_terms(codes, batch, seed, training)
        if outputs is None and self._own_terms.use_outputs:
            outputs = self._reconstruction_loss.outputs(self._decode(codes, training))
        return self._own_terms.join(terms, codes, batch, outputs, seed, training)

    def _decode(self, codes: Tensors, training: bool) -> tf.Tensor:
        return self._reconstruction_loss.decode(self._model.decoder_inputs(codes), training)

    def compare(
        self,
        codes: Tensors,
        batch: Batch,
        seed: tf.Tensor,
        training: bool,
        adversarial_only: bool = False,
        discriminated: Mapping[str, DivergenceTerms] = MappingProxyType({}),
    ) -> dict[str, DivergenceTerms]:
        """Compares each code with its prior, by each of its divergences.

        Args:
            codes: by name, as the model's `sample_codes` gives them.
            batch: what they are the codes of.
            seed: integer [2].
            training: whether noise and penalties that belong to training are applied.
            adversarial_only: whether divergences without a discriminator are left out.
            discriminated: terms whose discriminator losses are kept; of these divergences only the
                encoder's loss is measured anew.

        Returns:
            Terms by the keys of `divergences`.

        Raises:
            ValueError: if the batch is known to have too few rows for a divergence.
        """
        check_rows(self.divergences, batch.inputs.shape[0])
        # One seed more than there are divergences, since there may be none at all.
        seeds = tf.unstack(tf.random.split(seed, len(self.divergences) + 1))
        return {
            key: _compare(
                divergence,
                self.compared_codes(key, codes),
                batch.sample_weight,
                {
                    **self._model.compare_arguments(self.codes[key], batch),
                    **_posterior(codes, divergence),
                },
                own_seed,
                training,
                discriminated.get(key),
            )
            for (key, divergence), own_seed in zip(self.divergences.items(), seeds, strict=False)
            if divergence.has_discriminator or not adversarial_only
        }

    def compared_codes(self, key: str, codes: Tensors) -> tf.Tensor:
        """Gives what the divergence of a key compares with its prior, of all codes by name."""
        return codes[self._model.codes[self.codes[key]].output]

    # Weighing and summing.

    def encoder_loss(self, batch: Batch, terms: LossTerms) -> tf.Tensor:
        """Gives what encoder and decoder lower in the joint schedule, a scalar."""
        loss = self.regularization(terms) + self.autoencoder_penalties()
        if terms.reconstruction is not None:
            loss += self.weighted_reconstruction(batch, terms.reconstruction)
        return loss

    def weighted_reconstruction(self, batch: Batch, losses: tf.Tensor) -> tf.Tensor:
        """Gives the mean of reconstruction losses [batch] times its weight."""
        if batch.sample_weight is not None:
            # Keras' own reduction: weights scale an example's loss, the divisor is the batch.
            losses *= batch.sample_weight
        return weight_at(self._reconstruction_weight, self._steps) * replicas.row_mean(losses)

    @property
    def weights(self) -> dict[str, Weight]:
        """The weight of each divergence by its key: the default if none is given."""
        return {
            key: divergence.default_weight(self._num_summed)
            if divergence.weight is None
            else divergence.weight
            for key, divergence in self.divergences.items()
        }

    def weighted_divergences(self, terms: LossTerms) -> Tensors:
        """Gives each divergence times its weight, by its key."""
        return {
            key: weight_at(self.weights[key], self._regularization_steps) * divergence.encoder_loss
            for key, divergence in terms.divergences.items()
        }

    def regularization(self, terms: LossTerms) -> tf.Tensor:
        """Sums divergences and further terms, weighted; a scalar."""
        extra = [
            weight_at(term.weight, self._regularization_steps) * term.value
            for term in terms.extra.values()
            if term.weight is not None
        ]
        return tf.add_n([tf.zeros(()), *self.weighted_divergences(terms).values(), *extra])

    def discriminator_loss(self, divergences: Mapping[str, DivergenceTerms]) -> tf.Tensor:
        """Sums what the discriminators lower, penalties of their layers included; a scalar."""
        losses = [
            terms.discriminator_loss
            for terms in divergences.values()
            if terms.discriminator_loss is not None
        ]
        return tf.add_n([*losses, _penalties(self.divergences.values())])

    def autoencoder_penalties(self) -> tf.Tensor:
        """Sums the penalties that layers of encoder and decoder add to the loss."""
        return _penalties(autoencoder_layers(self._model))


class LogMeans:
    """The means over an epoch of what is logged: a Keras metric for each log key.

    A metric is made when its key is first logged.

    Args:
        loss: the metric of the key `loss`, which Keras resets and reports by itself.
        counts: keys of which numbers of events are logged, and not means.

    Attributes:
        metrics: those of all keys but `loss`.
    """

    def __init__(self, loss: keras.metrics.Metric, counts: Collection[str] = ()) -> None:
        self.metrics: dict[str, keras.metrics.Metric] = {}
        self._loss = loss
        self._counts = counts

    def add(self, values: LoggedValues, accepted: tf.Tensor | None = None) -> Tensors:
        """Adds the values of a batch, and returns the means up to now.

        Args:
            values: scalars or [batch], and their weights.
            accepted: bool scalar; where false, nothing is added. None adds.
        """
        means = {}
        for key, (value, weight) in values.items():
            if accepted is not None:
                value, weight = _zero_unless(accepted, value, weight)
            metric = self.metric(key)
            metric.update_state(value, sample_weight=weight)
            means[key] = metric.result()
        return means

    def metric(self, key: str) -> keras.metrics.Metric:
        """Returns the metric of a key, made if there is none."""
        if key == "loss":
            return self._loss
        if key not in self.metrics:
            kind = replicas.Count if key in self._counts else BatchMean
            self.metrics[key] = replicas.make_variables(lambda: kind(name=key))
        return self.metrics[key]

    def count(self, key: str, flags: Sequence[tf.Tensor]) -> tf.Tensor:
        """Adds the number of flags that are set to a count, and returns it."""
        metric = self.metric(key)
        metric.add(flags)
        return metric.result()


class BatchMean(keras.metrics.Mean):
    """The mean of the batches, or examples, that a term tells of; NaN while there is none.

    Keras' own is 0 then, which its callbacks would take for the best loss of all.
    """

    def result(self) -> tf.Tensor:
        """Returns the mean."""
        return tf.where(self.count.value > 0.0, super().result(), np.float32(np.nan))


def logged_values(batch: Batch, terms: LossTerms) -> dict[str, tuple[tf.Tensor, Any]]:
    """Gives the terms of a batch and their weights in the means, by log key.

    Raises:
        ValueError: if a further term has the key of another value.
    """
    size = replicas.row_count(batch.inputs)
    values: dict[str, tuple[tf.Tensor, Any]] = {}
    if terms.reconstruction is not None:
        values["reconstruction_loss"] = _logged_rows(terms.reconstruction, batch.sample_weight)
    for prefix, (encoder_loss, discriminator_loss, accuracy) in terms.divergences.items():
        values[f"{prefix}_divergence"] = encoder_loss, size
        if discriminator_loss is not None:
            values[f"{prefix}_discriminator_loss"] = discriminator_loss, size
            values[f"{prefix}_discriminator_accuracy"] = accuracy, size
    for key, term in terms.extra.items():
        if key in values or key == "loss":
            raise ValueError(
                "Expected further terms to have log keys of their own. "
                f"Received: {key!r}, which the model logs already."
            )
        values[key] = term.value, size if term.rows is None else term.rows
    return values


def check_rows(divergences: Mapping[str, Divergence], rows: int | None) -> None:
    """Refuses a batch that has too few rows for a divergence; None: their number is not known.

    Raises:
        ValueError: if it has.
    """
    for prefix, divergence in divergences.items():
        if rows is not None and rows < divergence.min_rows:
            raise ValueError(
                f"Expected `batch_size` to be at least {divergence.min_rows}, or that of "
                f"`.batch(...)` in a pipeline, for the {type(divergence).__name__} behind "
                f"`{prefix}_divergence`, which compares codes in pairs. "
                f"Received: batches of {rows}."
            )


def divergences_of(model: TrainableModel) -> dict[str, Divergence]:
    """Gives the divergences of a model's codes, by the prefix of their logs."""
    return {
        f"{name}{key}": divergence
        for name, code in model.codes.items()
        for key, divergence in code.divergences.items()
    }


def _codes_of(model: TrainableModel) -> dict[str, str]:
    return {f"{name}{key}": name for name, code in model.codes.items() for key in code.divergences}


def autoencoder_layers(model: TrainableModel) -> list[keras.layers.Layer]:
    """Gives the layers of encoder and decoder: all that belong to no divergence."""
    return [layer for layer in model.layers if not isinstance(layer, Divergence)]


def regularized_layers(model: TrainableModel) -> list[keras.layers.Layer]:
    """Gives the layers that divergences move: the encoder's, or a decoder's without an encoder."""
    layers = autoencoder_layers(model)
    return [x for x in layers if x is not model.decoder] if model.reconstructs else layers


def _compare(
    divergence: Divergence,
    codes: tf.Tensor,
    sample_weight: tf.Tensor | None,
    arguments: dict[str, Any],
    seed: tf.Tensor,
    training: bool,
    discriminated: DivergenceTerms | None,
) -> DivergenceTerms:
    with contextlib.ExitStack() as stack:
        if not divergence.is_row_wise:
            codes, sample_weight, arguments = stack.enter_context(
                replicas.whole_batch((codes, sample_weight, arguments))
            )
        if discriminated is None:
            return divergence.compare(codes, seed, sample_weight, training, **arguments)
        encoder_loss = divergence.encoder_loss(codes, seed, sample_weight, training, **arguments)
        return discriminated._replace(encoder_loss=encoder_loss)


def _posterior(codes: Tensors, divergence: Divergence) -> dict[str, Any]:
    if not divergence.uses_posterior:
        return {}
    return {"posterior": {key: codes[key] for key in ("mean", "log_variance")}}


def _penalties(layers: Iterable[keras.layers.Layer]) -> tf.Tensor:
    losses = [loss for layer in layers for loss in layer.losses]
    # A layer's activity is measured in its own precision.
    return tf.add_n([tf.zeros(()), *(tf.cast(loss, tf.float32) for loss in losses)])


def _logged_rows(values: tf.Tensor, sample_weight: tf.Tensor | None) -> tuple[tf.Tensor, Any]:
    """Gives rows and their weights; of several replicas the mean of all rows, and its weight."""
    if not replicas.are_several():
        return values, sample_weight
    if sample_weight is None:
        return replicas.row_mean(values), replicas.row_count(values)
    return weighted_mean(values, sample_weight), replicas.replica_sum(tf.reduce_sum(sample_weight))


def _zero_unless(accepted: tf.Tensor, value: Any, weight: Any) -> tuple[tf.Tensor, tf.Tensor]:
    value = tf.convert_to_tensor(value)
    weight = tf.ones_like(value) if weight is None else tf.cast(weight, tf.float32)
    return tf.where(accepted, value, 0.0), tf.where(accepted, weight, 0.0)
