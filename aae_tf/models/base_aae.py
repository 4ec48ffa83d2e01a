"""The one train step that every variant of the family shares."""

import contextlib
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf.checks import check_choice
from aae_tf.divergences import Divergence, DivergenceTerms
from aae_tf.models.check_fit_data import check_fit_data, name_arguments
from aae_tf.models.codec import Codec, Tensors
from aae_tf.models.player import Player, companion, loss_scaled
from aae_tf.models.reconstruction_loss import Identifier, ReconstructionLoss
from aae_tf.models.step import Batch, StepTerms
from aae_tf.models.trackers import make_trackers


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
        self._compile_arguments: dict[str, Any] = {}
        self._trackers = make_trackers(divergences, self.extra_log_keys)
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

        Learning-rate callbacks of Keras move `optimizer` alone, and so shift the balance of the
        players; a schedule inside an optimizer is copied to those that are left None.

        Args:
            optimizer: Keras optimizer or its name, for encoder and decoder.
            discriminator_optimizer: the same for the discriminators; None takes a copy of
                `optimizer`. Has no part where no code has a discriminator, so that a model
                compiles alike whatever its divergence.
            reconstruction_loss: "half_squared_error" (0.5 |x - x'|^2), "bernoulli" (both in nats,
                summed over features, averaged over the batch), or a callable of (inputs, outputs)
                that returns [batch, ...]; register it with
                `keras.saving.register_keras_serializable`, or a saved model will not load.
            schedule: "joint" or "alternating", see the class.
            regularization_optimizer: for the encoder's step down the divergences in the
                alternating schedule; None takes a copy of `optimizer`. Refused in the joint one,
                which has no such step.
            run_eagerly: whether steps run without a graph, for debugging.
            steps_per_execution: batches per call of the compiled function.
            jit_compile: whether XLA compiles the step. "auto" follows Keras: on where there is
                an accelerator, off on CPU, where it saved up to a tenth of a step and took
                seconds to compile.
            auto_scale_loss: whether each optimizer scales its loss under "mixed_float16".

        Raises:
            ValueError: if an argument is out of its range.
            TypeError: if `reconstruction_loss` is neither a name nor callable.
        """
        # Everything is resolved and checked before the model changes.
        reconstruction = ReconstructionLoss(reconstruction_loss, self.decoder)
        check_choice("schedule", schedule, ("joint", "alternating"))
        if regularization_optimizer is not None and schedule == "joint":
            raise ValueError(
                "Expected `regularization_optimizer` to be None with schedule='joint', which has "
                "no step of its own for the divergences. "
                f"Received: regularization_optimizer={regularization_optimizer!r}."
            )
        replicas = self.distribute_strategy.num_replicas_in_sync
        if jit_compile is True and replicas > 1:
            raise ValueError(
                "Expected `jit_compile` to be False or 'auto' with several replicas: Keras would "
                f"compile their communication too. Received: jit_compile=True, replicas={replicas}."
            )
        given = keras.optimizers.get(optimizer)
        optimizers = {"optimizer": given}
        if any(divergence.has_discriminator for divergence in self._divergences.values()):
            optimizers["discriminator_optimizer"] = companion(given, discriminator_optimizer)
        if schedule == "alternating":
            optimizers["regularization_optimizer"] = companion(given, regularization_optimizer)
        scale = auto_scale_loss and self.dtype_policy.name == "mixed_float16"
        autoencoder = self._autoencoder_layers()
        layers = {
            "optimizer": autoencoder,
            "discriminator_optimizer": list(self._divergences.values()),
            "regularization_optimizer": [x for x in autoencoder if x is not self.decoder],
        }
        players = {
            name: Player(name, loss_scaled(each, scale), _variables(layers[name]))
            for name, each in optimizers.items()
        }

        super().compile(
            optimizer=players["optimizer"].optimizer,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=auto_scale_loss,
        )
        self.schedule = schedule
        self._reconstruction_loss = reconstruction
        self._autoencoder = players["optimizer"]
        self._discriminators = players.get("discriminator_optimizer")
        self._regularizer = players.get("regularization_optimizer", self._autoencoder)
        # Attributes, so that Keras saves what they have learned.
        self.discriminator_optimizer, self.regularization_optimizer = (
            players[name].optimizer if name in players else None
            for name in ("discriminator_optimizer", "regularization_optimizer")
        )
        self._compile_arguments = {
            **dict.fromkeys(("discriminator_optimizer", "regularization_optimizer")),
            **optimizers,
            "reconstruction_loss": reconstruction_loss,
            "schedule": schedule,
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
        arguments = name_arguments(super().fit, x, y, *args, **kwargs)
        if isinstance(arguments.get("validation_data"), tuple | list | np.ndarray | tf.Tensor):
            validation = keras.utils.unpack_x_y_sample_weight(arguments["validation_data"])
            arguments["validation_data"] = self._check_data("validation_data", *validation)
        return super().fit(**self._check_arguments(arguments))

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Measures the losses as `keras.Model.evaluate` does, on checked inputs; see `fit`."""
        arguments = name_arguments(super().evaluate, x, y, *args, **kwargs)
        return super().evaluate(**self._check_arguments(arguments))

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
        self._log(batch, *step(batch, seed))
        return self.get_metrics_result()

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Measures the terms of the loss on a batch."""
        batch = self._unpack(data)
        seed = tf.cast(self._evaluation_seed_generator.next(), tf.int32)
        terms = self._measure(batch, seed, training=False)
        self._log(batch, terms, self._encoder_loss(batch, terms))
        return self.get_metrics_result()

    # The step.

    def _joint_step(self, batch: Batch, seed: tf.Tensor) -> tuple[StepTerms, tf.Tensor]:
        with self._autoencoder.tape() as tape, self._discriminator_tape() as discriminator_tape:
            terms = self._measure(batch, seed, training=True)
            loss = self._encoder_loss(batch, terms)
            discriminator_loss = self._discriminator_loss(terms.divergences)
        self._autoencoder.update(tape, loss)
        if self._discriminators:
            self._discriminators.update(discriminator_tape, discriminator_loss)
        return terms, loss

    def _alternating_step(self, batch: Batch, seed: tf.Tensor) -> tuple[StepTerms, tf.Tensor]:
        reconstruction_seed, code_seed, game_seed, fooling_seed = tf.unstack(
            tf.random.split(seed, 4)
        )
        with self._autoencoder.tape() as tape:
            codes = self.sample_codes(batch.inputs, reconstruction_seed, training=True)
            reconstruction = self._reconstruct(batch, codes, training=True)
            reconstruction_loss = self._batch_mean(reconstruction, batch.sample_weight)
            reconstruction_loss += self._penalties(self._autoencoder_layers())
        self._autoencoder.update(tape, reconstruction_loss)

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
            divergence_loss = self._divergence_loss(divergences, extra)
        self._regularizer.update(tape, divergence_loss)
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
        terms = StepTerms(reconstruction, divergences, extra)
        return terms, reconstruction_loss + divergence_loss

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

    def _log(self, batch: Batch, terms: StepTerms, loss: tf.Tensor) -> None:
        size = tf.shape(batch.inputs)[0]
        self._loss_tracker.update_state(loss, sample_weight=size)
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

    def _check_arguments(self, arguments: dict[str, Any]) -> dict[str, Any]:
        names = ("x", "y", "sample_weight")
        checked = self._check_data("x", *(arguments.get(name) for name in names))
        return {**arguments, **dict(zip(names, checked, strict=True))}

    def _check_data(
        self, argument: str, x: Any, y: Any = None, sample_weight: Any = None
    ) -> tuple[Any, Any, Any]:
        return check_fit_data(
            argument,
            x,
            y,
            sample_weight,
            shape=self.encoder.input_shape[1:],
            unit_interval=self._compile_arguments.get("reconstruction_loss") == "bernoulli",
        )

    def _autoencoder_layers(self) -> list[keras.layers.Layer]:
        return [layer for layer in self.layers if not isinstance(layer, Divergence)]

    def _discriminator_tape(self) -> contextlib.AbstractContextManager[Any]:
        return self._discriminators.tape() if self._discriminators else contextlib.nullcontext()


def _variables(layers: Iterable[keras.layers.Layer]) -> list[keras.Variable]:
    unique = {id(v): v for layer in layers for v in layer.trainable_variables}
    return list(unique.values())
