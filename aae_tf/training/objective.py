"""What a step measures, and what its players lower."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import keras
import tensorflow as tf

from aae_tf import replicas
from aae_tf.divergences import Divergence, DivergenceTerms
from aae_tf.losses.weighted_mean import weighted_mean
from aae_tf.losses.weights import Weight, weight_at
from aae_tf.models.code import Code, weight_seeds
from aae_tf.models.generator import Generator, Tensors
from aae_tf.models.player import Player
from aae_tf.models.step import Batch, ExtraTerm, StepTerms
from aae_tf.models.trackers import kept, make_trackers


class Objective(Generator):
    """A `Generator` with losses: its codes are compared with their priors.

    A model implements

    - `sample_codes`: a batch to one sample of each code, for training;
    - `extra_terms`, if it has any: further terms of the encoder's loss, and what is logged beside
      them;
    - `compare_arguments`, where a divergence compares with more than the prior.

    Args:
        decoder: built Keras model, [batch, n] to outputs [batch, ...].
        codes: what is matched, by the name of the code, the prefix of its logs.
        extra_log_keys: names of what `extra_terms` gives.
        seed: non-negative integer that fixes weights, noise and prior samples; None draws anew.
        name: name of the model.

    Attributes:
        codes: the argument.
    """

    # Whether inputs are reconstructed from their codes.
    reconstructs: bool = True
    # Set when the model is compiled.
    _reconstruction_loss: Any
    _reconstruction_weight: Weight
    _autoencoder: Player
    _regularizer: Player

    def __init__(
        self,
        decoder: keras.Model,
        codes: dict[str, Code],
        extra_log_keys: Sequence[str] = (),
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(decoder, seed=seed, name=name, **kwargs)
        # Restarted by every `reset_metrics`: evaluating twice gives the same numbers, and
        # evaluating in the middle of training does not change what is trained.
        self._evaluation_seed_generator = keras.random.SeedGenerator(0)
        for code, code_seed in zip(codes.values(), weight_seeds(seed)[1:], strict=False):
            if code.divergence is not None:
                code.divergence.connect(code.prior, seed=code_seed, **code.connect_arguments)
        self.codes = dict(codes)
        self._divergences = {
            key: code.divergence for key, code in codes.items() if code.divergence is not None
        }
        self._trackers = make_trackers(self.reconstructs, self._divergences, extra_log_keys)

    def sample_codes(self, batch: Batch, seed: tf.Tensor, training: bool) -> Tensors:
        """Gives one sample of each code for a batch; names as in `seed_codes`."""
        raise NotImplementedError(f"{type(self).__name__} does not implement `sample_codes`.")

    def extra_terms(
        self, codes: Tensors, batch: Batch, seed: tf.Tensor, training: bool
    ) -> dict[str, ExtraTerm]:
        """Measures further terms of the encoder's loss, by their log keys."""
        return {}

    def compare_arguments(self, code: str, batch: Batch) -> dict[str, tf.Tensor]:
        """Gives what the divergence of a code compares with, where that is not the prior alone."""
        return {}

    def _measure(self, batch: Batch, seed: tf.Tensor, training: bool) -> StepTerms:
        code_seed, divergence_seed = tf.unstack(tf.random.split(seed, 2))
        codes = self.sample_codes(batch, code_seed, training)
        return self._measure_codes(batch, codes, divergence_seed, training)

    def _measure_codes(
        self, batch: Batch, codes: Tensors, seed: tf.Tensor, training: bool
    ) -> StepTerms:
        return StepTerms(
            self._reconstruct(batch, codes, training) if self.reconstructs else None,
            self._compare(codes, batch, seed, training),
            self.extra_terms(codes, batch, seed, training),
        )

    def _reconstruct(self, batch: Batch, codes: Tensors, training: bool) -> tf.Tensor:
        return self._reconstruction_loss(batch.inputs, self.decoder_inputs(codes), training)

    def _compare(
        self,
        codes: Tensors,
        batch: Batch,
        seed: tf.Tensor,
        training: bool,
        games_only: bool = False,
        judged: Mapping[str, DivergenceTerms] = MappingProxyType({}),
    ) -> dict[str, DivergenceTerms]:
        """Compares each code with its prior.

        Args:
            codes: by name, as `sample_codes` gives them.
            batch: what they are the codes of.
            seed: integer [2].
            training: whether noise and penalties that belong to training are applied.
            games_only: whether codes without a discriminator are left out.
            judged: games of this step in which the discriminators have had their part; of these
                codes only the encoder's loss is new.

        Returns:
            Terms by the codes' names.
        """
        # One row more than there are codes: none is a number of codes, too.
        seeds = tf.unstack(tf.random.split(seed, len(self._divergences) + 1))
        return {
            code: _compare(
                divergence,
                (codes[self.codes[code].output], batch.sample_weight),
                {**self.compare_arguments(code, batch), **_posterior(codes, divergence)},
                code_seed,
                training,
                judged.get(code),
            )
            for (code, divergence), code_seed in zip(self._divergences.items(), seeds, strict=False)
            if divergence.has_discriminator or not games_only
        }

    def _encoder_loss(self, batch: Batch, terms: StepTerms) -> tf.Tensor:
        loss = self._regularization(terms) + self._penalties(self._autoencoder_layers())
        if terms.reconstruction is not None:
            loss += self._reconstruction_term(batch, terms.reconstruction)
        return loss

    def _reconstruction_term(self, batch: Batch, reconstruction: tf.Tensor) -> tf.Tensor:
        weight = weight_at(self._reconstruction_weight, self._autoencoder.optimizer.iterations)
        return weight * self._batch_mean(reconstruction, batch.sample_weight)

    def _regularization(self, terms: StepTerms) -> tf.Tensor:
        # In the alternating schedule this player is still to move when the other has moved.
        step = self._regularizer.optimizer.iterations
        weighted = [
            weight_at(self._divergences[code].weight, step) * divergence.encoder_loss
            for code, divergence in terms.divergences.items()
        ]
        weighted += [
            weight_at(term.weight, step) * term.value
            for term in terms.extra.values()
            if term.weight is not None
        ]
        return tf.add_n([tf.zeros(()), *weighted])

    def _discriminator_loss(self, divergences: dict[str, DivergenceTerms]) -> tf.Tensor:
        losses = [
            terms.discriminator_loss
            for terms in divergences.values()
            if terms.discriminator_loss is not None
        ]
        return tf.add_n([*losses, self._penalties(self._divergences.values())])

    @staticmethod
    def _batch_mean(losses: tf.Tensor, sample_weight: tf.Tensor | None) -> tf.Tensor:
        # Keras' own reduction: weights scale an example's loss, the divisor is the batch.
        return replicas.row_mean(losses if sample_weight is None else losses * sample_weight)

    @staticmethod
    def _penalties(layers: Iterable[keras.layers.Layer]) -> tf.Tensor:
        losses = [loss for layer in layers for loss in layer.losses]
        # A layer's activity is measured in its own precision.
        return tf.add_n([tf.zeros(()), *(tf.cast(loss, tf.float32) for loss in losses)])

    def _log(
        self,
        batch: Batch,
        terms: StepTerms,
        loss: tf.Tensor,
        accepted: tf.Tensor | None = None,
        also: Mapping[str, tf.Tensor] = MappingProxyType({}),
    ) -> dict[str, tf.Tensor]:
        """Adds a batch to the means of the logs, unless it was not accepted; returns them all."""
        size = replicas.row_count(batch.inputs)
        values = {"loss": (loss, size), **self._logged_terms(batch, terms)}
        values |= {key: (value, size) for key, value in also.items()}
        # What this batch cannot tell, an accuracy without labels, is left out.
        trackers = {
            key: self._loss_tracker if key == "loss" else self._trackers[key] for key in values
        }
        for key, (value, weight) in values.items():
            if accepted is not None:
                value, weight = kept(accepted, value, weight)
            trackers[key].update_state(value, sample_weight=weight)
        return {key: tracker.result() for key, tracker in trackers.items()}

    def _logged_terms(self, batch: Batch, terms: StepTerms) -> dict[str, tuple[tf.Tensor, Any]]:
        """Gives what is logged of a batch with its weight in the mean, by log key."""
        size = replicas.row_count(batch.inputs)
        values: dict[str, tuple[tf.Tensor, Any]] = {}
        if terms.reconstruction is not None:
            values["reconstruction_loss"] = _logged_rows(terms.reconstruction, batch.sample_weight)
        for code, (encoder_loss, discriminator_loss, accuracy) in terms.divergences.items():
            values[f"{code}_divergence"] = encoder_loss, size
            if discriminator_loss is not None:
                values[f"{code}_discriminator_loss"] = discriminator_loss, size
                values[f"{code}_discriminator_accuracy"] = accuracy, size
        for key, term in terms.extra.items():
            values[key] = term.value, size if term.rows is None else term.rows
        return values

    def _autoencoder_layers(self) -> list[keras.layers.Layer]:
        return [layer for layer in self.layers if not isinstance(layer, Divergence)]

    def _regularized_layers(self) -> list[keras.layers.Layer]:
        layers = self._autoencoder_layers()
        return [x for x in layers if x is not self.decoder] if self.reconstructs else layers


def _compare(
    divergence: Divergence,
    weighted: tuple[tf.Tensor, tf.Tensor | None],
    also: dict[str, Any],
    seed: tf.Tensor,
    training: bool,
    judged: DivergenceTerms | None,
) -> DivergenceTerms:
    with contextlib.ExitStack() as stack:
        if not divergence.is_row_wise:
            weighted, also = stack.enter_context(replicas.whole_batch((weighted, also)))
        codes, sample_weight = weighted
        if judged is None:
            return divergence.compare(codes, seed, sample_weight, training, **also)
        encoder_loss = divergence.fool(codes, seed, sample_weight, training, **also)
        return judged._replace(encoder_loss=encoder_loss)


def _logged_rows(values: tf.Tensor, sample_weight: tf.Tensor | None) -> tuple[tf.Tensor, Any]:
    """Gives rows and their weights; of several replicas the mean of all rows, and its weight."""
    if not replicas.are_several():
        return values, sample_weight
    if sample_weight is None:
        return replicas.row_mean(values), replicas.row_count(values)
    return weighted_mean(values, sample_weight), replicas.replica_sum(tf.reduce_sum(sample_weight))


def _posterior(codes: Tensors, divergence: Divergence) -> dict[str, Any]:
    if not divergence.wants_posterior:
        return {}
    return {"posterior": {key: codes[key] for key in ("mean", "log_variance")}}
