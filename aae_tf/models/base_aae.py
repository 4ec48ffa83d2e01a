"""The one train step that every variant of the family shares."""

import contextlib
import inspect
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf.checks import check_choice
from aae_tf.divergences import Divergence, DivergenceTerms
from aae_tf.models.codec import Codec, Tensors
from aae_tf.models.player import Player
from aae_tf.models.reconstruction_loss import Identifier, ReconstructionLoss
from aae_tf.models.step import Batch, StepTerms


class BaseAAE(Codec):
    """A `Codec` that learns: its codes are drawn to priors. The base of every variant.

    A variant hands this constructor the divergence of each code, implements what `Codec` asks
    for, and

    - `sample_codes`: inputs to one sample of each code, for training;
    - `extra_losses` and `extra_log_keys`, if it has any: further terms of the encoder's loss.

    What happens in a step is the same for all.

    schedule="joint": one pass of encoder and decoder. They step down reconstruction + sum of
    weight * divergence + extra losses, the discriminators down their own losses on the same
    codes.

    schedule="alternating": the order of the paper. Encoder and decoder step down the
    reconstruction loss; then, on fresh codes, the discriminators step; then the encoder steps
    down the divergences, against the discriminators just updated, and the extra losses.

    Args:
        encoder: built Keras model, [batch, ...] to features [batch, feature_dim].
        decoder: built Keras model, [batch, n] to outputs of the encoder's input shape.
        divergences: divergence of each code by the name of the code, the prefix of its logs.
        code_outputs: for the same names, the key of that code in `sample_codes`.
        seed: non-negative integer that fixes noise and prior samples; None draws anew.
        name: name of the model.

    References:
        Makhzani et al. 2016, sections 2 and 2.1.
    """

    extra_log_keys: tuple[str, ...] = ()

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        divergences: dict[str, Divergence],
        code_outputs: dict[str, str],
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, decoder, seed=seed, name=name, **kwargs)
        # Restarted by every `reset_metrics`: evaluating twice gives the same numbers, and
        # evaluating in the middle of training does not change what is trained.
        self._evaluation_seed_generator = keras.random.SeedGenerator(0)
        self._divergences = dict(divergences)
        self._code_outputs = dict(code_outputs)
        self._trackers = {
            key: keras.metrics.Mean(name=key)
            for key in ("reconstruction_loss", *_log_keys(divergences), *self.extra_log_keys)
        }
        self.built = True

    def sample_codes(self, inputs: tf.Tensor, seed: tf.Tensor, training: bool) -> Tensors:
        """Encodes inputs to one sample of each code; names as in `mean_codes`."""
        raise NotImplementedError(f"{type(self).__name__} does not implement `sample_codes`.")

    def extra_losses(self, codes: Tensors, batch: Batch) -> Tensors:
        """Gives further scalar terms of the encoder's loss, one for each of `extra_log_keys`."""
        return {}

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        discriminator_optimizer: str | keras.optimizers.Optimizer | None = None,
        reconstruction_loss: Identifier = "half_squared_error",
        schedule: str = "joint",
        regularization_optimizer: str | keras.optimizers.Optimizer | None = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Configures training.

        Args:
            optimizer: Keras optimizer or its name, for encoder and decoder.
            discriminator_optimizer: the same for the discriminators; None takes a copy of
                `optimizer`. Has no part where no code has a discriminator, so that a model
                compiles alike whatever its divergence.
            reconstruction_loss: "half_squared_error" (0.5 |x - x'|^2), "bernoulli" (both in nats,
                summed over features, averaged over the batch), or a callable of (inputs, outputs)
                that returns [batch, ...].
            schedule: "joint" or "alternating", see the class.
            regularization_optimizer: for the encoder's step down the divergences in the
                alternating schedule; None takes a copy of `optimizer`. Refused in the joint one,
                which has no such step.
            run_eagerly: whether steps run without a graph, for debugging.
            steps_per_execution: batches per call of the compiled function.
            jit_compile: whether XLA compiles the step. "auto" follows Keras: on where there is
                an accelerator, off on CPU, where this package's steps measured no faster.
            auto_scale_loss: whether each optimizer scales its loss under "mixed_float16".

        Raises:
            ValueError: if an argument is out of its range.
            TypeError: if `reconstruction_loss` is neither a name nor callable.
        """
        self._reconstruction_loss = ReconstructionLoss(reconstruction_loss, self.decoder)
        self.schedule = check_choice("schedule", schedule, ("joint", "alternating"))
        if regularization_optimizer is not None and schedule == "joint":
            raise ValueError(
                "Expected `regularization_optimizer` to be None with schedule='joint', which has "
                "no step of its own for the divergences. "
                f"Received: regularization_optimizer={regularization_optimizer!r}."
            )
        super().compile(
            optimizer=optimizer,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=auto_scale_loss,
        )
        scaled = isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer)
        base_optimizer = self.optimizer.inner_optimizer if scaled else self.optimizer

        def companion(given: str | keras.optimizers.Optimizer | None) -> Any:
            if given is None:
                return type(base_optimizer).from_config(base_optimizer.get_config())
            return keras.optimizers.get(given)

        self._autoencoder = Player(self.optimizer, _variables(self._autoencoder_layers()))
        self._discriminators: Player | None = None
        self.discriminator_optimizer = self.regularization_optimizer = None
        if any(divergence.has_discriminator for divergence in self._divergences.values()):
            discriminator_optimizer = companion(discriminator_optimizer)
            self.discriminator_optimizer = _scaled(discriminator_optimizer, scaled)
            self._discriminators = Player(
                self.discriminator_optimizer, _variables(self._divergences.values())
            )
        if schedule == "alternating":
            regularization_optimizer = companion(regularization_optimizer)
            self.regularization_optimizer = _scaled(regularization_optimizer, scaled)
            encoder_side = [
                layer for layer in self._autoencoder_layers() if layer is not self.decoder
            ]
            self._regularizer = Player(self.regularization_optimizer, _variables(encoder_side))
        self._compile_arguments = {
            "optimizer": base_optimizer,
            "discriminator_optimizer": discriminator_optimizer,
            "reconstruction_loss": reconstruction_loss,
            "schedule": schedule,
            "regularization_optimizer": regularization_optimizer,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
            "auto_scale_loss": auto_scale_loss,
        }

    def get_compile_config(self) -> dict[str, Any] | None:
        """Returns the arguments of `compile`, optimizers included; None before it is called."""
        if not self.compiled:
            return None
        return keras.saving.serialize_keras_object(self._compile_arguments)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model as the saved one was; every optimizer is built to be restored."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Trains as `keras.Model.fit` does; arrays are checked for shape and finite values first.

        Args:
            x: inputs [n, ...] as arrays, or a tf.data.Dataset, PyDataset or generator of
                `inputs`, `(inputs, labels)` or `(inputs, labels, sample_weight)`.
            y: labels [n] where the model uses them.
            *args: further arguments of `keras.Model.fit`.
            **kwargs: further arguments of `keras.Model.fit`. `sample_weight` [n] weighs an
                example in the reconstruction loss and its code in the aggregated posterior.

        Returns:
            `keras.callbacks.History`.

        Raises:
            ValueError: if inputs are not finite, or their shape is not the encoder's.
        """
        call = inspect.signature(super().fit).bind(x, y, *args, **kwargs).arguments
        validation = call.get("validation_data")
        # Keras takes a tuple for (inputs, labels, weights) and anything else for inputs.
        self._check_data(
            "validation_data", validation[0] if isinstance(validation, tuple) else validation
        )
        y = self._check_data("x", x, y, call.get("sample_weight"))
        return super().fit(x, y, *args, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Measures the losses as `keras.Model.evaluate` does, on checked inputs; see `fit`."""
        call = inspect.signature(super().evaluate).bind(x, y, *args, **kwargs).arguments
        y = self._check_data("x", x, y, call.get("sample_weight"))
        return super().evaluate(x, y, *args, **kwargs)

    def reset_metrics(self) -> None:
        """Resets the metrics and restarts the random numbers of evaluation."""
        super().reset_metrics()
        state = self._evaluation_seed_generator.state
        state.assign(tf.zeros_like(state.value))

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Makes one step on a batch; see the class for the two schedules."""
        batch = self._unpack(data)
        seed = tf.cast(self.seed_generator.next(), tf.int32)
        step = self._joint_step if self.schedule == "joint" else self._alternating_step
        self._log(batch, step(batch, seed))
        return self.get_metrics_result()

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Measures the terms of the loss on a batch."""
        batch = self._unpack(data)
        seed = tf.cast(self._evaluation_seed_generator.next(), tf.int32)
        self._log(batch, self._measure(batch, seed, training=False))
        return self.get_metrics_result()

    # The step.

    def _joint_step(self, batch: Batch, seed: tf.Tensor) -> StepTerms:
        with self._autoencoder.tape() as tape, self._discriminator_tape() as discriminator_tape:
            terms = self._measure(batch, seed, training=True)
            loss = self._encoder_loss(batch, terms)
            discriminator_loss = self._discriminator_loss(terms.divergences)
        self._autoencoder.update(tape, loss)
        if self._discriminators:
            self._discriminators.update(discriminator_tape, discriminator_loss)
        return terms

    def _alternating_step(self, batch: Batch, seed: tf.Tensor) -> StepTerms:
        reconstruction_seed, code_seed, game_seed, fooling_seed = tf.unstack(
            tf.random.split(seed, 4)
        )
        with self._autoencoder.tape() as tape:
            codes = self.sample_codes(batch.inputs, reconstruction_seed, training=True)
            reconstruction = self._reconstruct(batch, codes, training=True)
            loss = self._batch_mean(reconstruction, batch.sample_weight)
            loss += self._penalties(self._autoencoder_layers())
        self._autoencoder.update(tape, loss)

        with self._regularizer.tape() as tape:
            codes = self.sample_codes(batch.inputs, code_seed, training=True)
            game = {}
            if self._discriminators:
                with self._discriminators.tape() as discriminator_tape:
                    game = self._compare(codes, batch, game_seed, training=True)
                    discriminator_loss = self._discriminator_loss(game)
                self._discriminators.update(discriminator_tape, discriminator_loss)
            divergences = self._compare(codes, batch, fooling_seed, training=True)
            extra = self.extra_losses(codes, batch)
            loss = self._divergence_loss(divergences, extra)
        self._regularizer.update(tape, loss)
        # The discriminators are judged on the game that they were trained on.
        divergences = {
            code: terms._replace(
                discriminator_loss=game[code].discriminator_loss,
                discriminator_accuracy=game[code].discriminator_accuracy,
            )
            if code in game
            else terms
            for code, terms in divergences.items()
        }
        return StepTerms(reconstruction, divergences, extra)

    def _measure(self, batch: Batch, seed: tf.Tensor, training: bool) -> StepTerms:
        code_seed, divergence_seed = tf.unstack(tf.random.split(seed, 2))
        codes = self.sample_codes(batch.inputs, code_seed, training)
        return StepTerms(
            reconstruction=self._reconstruct(batch, codes, training),
            divergences=self._compare(codes, batch, divergence_seed, training),
            extra=self.extra_losses(codes, batch),
        )

    def _reconstruct(self, batch: Batch, codes: Tensors, training: bool) -> tf.Tensor:
        return self._reconstruction_loss(batch.inputs, self.decoder_inputs(codes), training)

    def _compare(
        self, codes: Tensors, batch: Batch, seed: tf.Tensor, training: bool
    ) -> dict[str, DivergenceTerms]:
        seeds = tf.unstack(tf.random.split(seed, len(self._divergences)))
        return {
            code: divergence.compare(
                codes[self._code_outputs[code]], code_seed, batch.sample_weight, training
            )
            for (code, divergence), code_seed in zip(self._divergences.items(), seeds, strict=True)
        }

    def _encoder_loss(self, batch: Batch, terms: StepTerms) -> tf.Tensor:
        return (
            self._batch_mean(terms.reconstruction, batch.sample_weight)
            + self._divergence_loss(terms.divergences, terms.extra)
            + self._penalties(self._autoencoder_layers())
        )

    def _divergence_loss(
        self, divergences: dict[str, DivergenceTerms], extra: Tensors
    ) -> tf.Tensor:
        weighted = [
            self._divergences[code].weight * terms.encoder_loss
            for code, terms in divergences.items()
        ]
        return tf.add_n([*weighted, *extra.values()])

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
        return tf.reduce_mean(losses if sample_weight is None else losses * sample_weight)

    @staticmethod
    def _penalties(layers: Iterable[keras.layers.Layer]) -> tf.Tensor:
        return tf.add_n([tf.zeros(()), *(loss for layer in layers for loss in layer.losses)])

    def _log(self, batch: Batch, terms: StepTerms) -> None:
        size = tf.shape(batch.inputs)[0]
        self._loss_tracker.update_state(self._encoder_loss(batch, terms), sample_weight=size)
        self._trackers["reconstruction_loss"].update_state(
            terms.reconstruction, sample_weight=batch.sample_weight
        )
        values = dict(terms.extra)
        for code, (encoder_loss, discriminator_loss, accuracy) in terms.divergences.items():
            values[f"{code}_divergence"] = encoder_loss
            if discriminator_loss is not None:
                values[f"{code}_discriminator_loss"] = discriminator_loss
                values[f"{code}_discriminator_accuracy"] = accuracy
        for key, value in values.items():
            self._trackers[key].update_state(value, sample_weight=size)

    def _unpack(self, data: Any) -> Batch:
        inputs, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if sample_weight is not None:
            sample_weight = tf.reshape(tf.cast(sample_weight, tf.float32), [-1])
        return Batch(inputs, labels, sample_weight)

    def _check_data(self, argument: str, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        if not isinstance(x, np.ndarray | tf.Tensor | list):
            return y
        self._check_inputs(argument, x)
        # Without labels Keras drops the weights without a word. -1 stands for unknown.
        return np.full(len(x), -1) if y is None and sample_weight is not None else y

    def _discriminator_tape(self) -> contextlib.AbstractContextManager[Any]:
        return self._discriminators.tape() if self._discriminators else contextlib.nullcontext()

    def _autoencoder_layers(self) -> list[keras.layers.Layer]:
        return [layer for layer in self.layers if not isinstance(layer, Divergence)]


def _variables(layers: Iterable[keras.layers.Layer]) -> list[keras.Variable]:
    unique = {id(v): v for layer in layers for v in layer.trainable_variables}
    return list(unique.values())


def _scaled(optimizer: keras.optimizers.Optimizer, scale: bool) -> keras.optimizers.Optimizer:
    return keras.optimizers.LossScaleOptimizer(optimizer) if scale else optimizer


def _log_keys(divergences: dict[str, Divergence]) -> list[str]:
    keys = []
    for code, divergence in divergences.items():
        keys.append(f"{code}_divergence")
        if divergence.has_discriminator:
            keys += [f"{code}_discriminator_loss", f"{code}_discriminator_accuracy"]
    return keys
