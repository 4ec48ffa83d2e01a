"""The one train step that every variant of the family shares."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf.checks import check_bool, check_choice, check_dimension
from aae_tf.losses.weights import Weight, check_weight
from aae_tf.models.balance import Balance
from aae_tf.models.check_fit_data import (
    LabelRule,
    batch_labels,
    check_fit_data,
    name_arguments,
)
from aae_tf.models.guard import Guard
from aae_tf.models.make_players import make_players, resolve_optimizers
from aae_tf.models.reconstruction_loss import Identifier, ReconstructionLoss
from aae_tf.models.replicated_game import ReplicatedGame
from aae_tf.models.step import Batch


class BaseModel(ReplicatedGame):
    """A `ReplicatedGame` that is trained: `compile`, `fit`, and the train step of every model.

    schedule="joint": one pass of encoder and decoder. They step down reconstruction + sum of
    weight * divergence + extra terms, the discriminators down their own losses on the same
    codes.

    schedule="alternating": the order of the paper. Encoder and decoder step down the
    reconstruction loss; then, on fresh codes, the discriminators step; then the encoder steps
    down the divergences, against the discriminators just updated, and the extra terms.

    Args:
        *args: those of `Objective`.
        **kwargs: those of `Objective`.

    References:
        Makhzani et al. 2016, sections 2 and 2.1.
    """

    schedules: tuple[str, ...] = ("joint", "alternating")
    # Which labels `fit` asks for: "none" are looked at, "any", "some" known ones, or "all".
    labels: str = "none"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._compile_arguments: dict[str, Any] = {}
        self.built = True

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        discriminator_optimizer: str | keras.optimizers.Optimizer | None = None,
        reconstruction_loss: Identifier = "half_squared_error",
        schedule: str = "joint",
        reconstruction_weight: Weight = 1.0,
        regularization_optimizer: str | keras.optimizers.Optimizer | None = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
        guard: Guard | bool | None = True,
        balance: Balance | str = "fixed",
        discriminator_steps: int = 1,
        log_gradient_norms: bool = False,
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
            reconstruction_weight: factor of the reconstruction loss: a number, zero or more, or a
                Keras schedule of the steps made.
            regularization_optimizer: for the encoder's step down the divergences in the
                alternating schedule; None takes a copy of `optimizer`. Refused in the joint one,
                which has no such step.
            run_eagerly: whether steps run without a graph, for debugging.
            steps_per_execution: batches per call of the compiled function.
            jit_compile: whether XLA compiles the step. "auto" follows Keras: on where there is
                an accelerator, off on CPU, where it saved up to a tenth of a step and took
                seconds to compile.
            auto_scale_loss: whether each optimizer scales its loss where a layer computes in
                float16, whose smallest numbers gradients fall below.
            guard: which updates are left out lest they end the training: a `models.Guard`; True
                is the default one, False or None is none.
            balance: "fixed": every optimizer keeps its rate; "adaptive", or a `models.Balance`: the
                rate of each discriminator is steered, and `<code>_steepness` and
                `<code>_rate_factor` are logged, as means over the steps.
            discriminator_steps: how many steps the discriminators make for one of the encoder, on
                the same codes and new samples of the priors.
            log_gradient_norms: whether `reconstruction_gradient_norm` and
                `<code>_gradient_norm` are logged: how hard each term of the loss, weighted, pulls
                at the encoder's weights. Costs a backward pass for each.

        Raises:
            ValueError: if an argument is out of its range.
            TypeError: if `reconstruction_loss` is neither a name nor callable, or another argument
                is of a wrong type.
        """
        # Everything is resolved and checked before the model changes.
        reconstruction = ReconstructionLoss(reconstruction_loss, self.decoder)
        check_choice("schedule", schedule, self.schedules)
        check_weight("reconstruction_weight", reconstruction_weight)
        if regularization_optimizer is not None and schedule == "joint":
            raise ValueError(
                "Expected `regularization_optimizer` to be None with schedule='joint', which has "
                "no step of its own for the divergences. "
                f"Received: regularization_optimizer={regularization_optimizer!r}."
            )
        self._check_replicas(jit_compile, steps_per_execution)
        used_guard, used_balance = Guard.get(guard), Balance.get(balance, self._divergences)
        discriminator_steps = check_dimension("discriminator_steps", discriminator_steps)
        check_bool("log_gradient_norms", log_gradient_norms)
        optimizers = resolve_optimizers(
            optimizer,
            discriminator_optimizer,
            regularization_optimizer,
            has_game=bool(self._games()),
            schedule=schedule,
        )
        # The networks may have been built under another policy than the model.
        scale = auto_scale_loss and any(
            layer.compute_dtype == "float16" for layer in self._flatten_layers()
        )
        layers = {
            "optimizer": self._autoencoder_layers(),
            "discriminator_optimizer": list(self._divergences.values()),
            "regularization_optimizer": self._regularized_layers(),
        }
        players = make_players(optimizers, layers, used_guard, scale, self._num_replicas)

        super().compile(
            optimizer=players["optimizer"].optimizer,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=auto_scale_loss,
        )
        self._synchronize()
        self.schedule = schedule
        self._reconstruction_loss = reconstruction
        self._reconstruction_weight = reconstruction_weight
        self._autoencoder = players["optimizer"]
        self._discriminators = players.get("discriminator_optimizer")
        self._regularizer = players.get("regularization_optimizer", self._autoencoder)
        self._discriminator_steps = discriminator_steps
        self._tracks_gradients = log_gradient_norms
        # Attributes, so that Keras saves what they have learned.
        self.discriminator_optimizer, self.regularization_optimizer = (
            players[name].optimizer if name in players else None
            for name in ("discriminator_optimizer", "regularization_optimizer")
        )
        for player in players.values():
            player.has_branches = not self.jit_compile or self._num_replicas > 1
        self._prepare(used_guard, used_balance, list(players.values()))
        self._compile_arguments = {
            **dict.fromkeys(("discriminator_optimizer", "regularization_optimizer")),
            **optimizers,
            "reconstruction_loss": reconstruction_loss,
            "schedule": schedule,
            "reconstruction_weight": reconstruction_weight,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
            "auto_scale_loss": auto_scale_loss,
            "guard": used_guard,
            "balance": "fixed" if used_balance is None else used_balance,
            "discriminator_steps": discriminator_steps,
            "log_gradient_norms": log_gradient_norms,
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
            y: labels where the model uses them: integers [n], -1 where unknown.
            *args: further arguments of `keras.Model.fit`.
            **kwargs: further arguments of `keras.Model.fit`. `sample_weight` [n] weighs an
                example in the reconstruction loss and its code in the aggregated posterior.

        Returns:
            `keras.callbacks.History`.

        Raises:
            TypeError: if labels are no integers.
            ValueError: if inputs are not finite or not of the right shape; if labels are missing,
                out of their range, or leave out a class.
        """
        arguments = name_arguments(super().fit, x, y, *args, **kwargs)
        if isinstance(arguments.get("validation_data"), tuple | list | np.ndarray | tf.Tensor):
            validation = keras.utils.unpack_x_y_sample_weight(arguments["validation_data"])
            arguments["validation_data"] = self._check_data("validation_data", *validation)
        arguments = self._check_arguments(arguments, fitting=True)
        if isinstance(x, tf.data.Dataset):
            # Keras would warn that its own default is ignored.
            arguments.setdefault("shuffle", False)
        return super().fit(**arguments)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Measures the losses as `keras.Model.evaluate` does, on checked inputs; see `fit`."""
        arguments = name_arguments(super().evaluate, x, y, *args, **kwargs)
        return super().evaluate(**self._check_arguments(arguments))

    def reset_metrics(self) -> None:
        """Resets the metrics and restarts the random numbers of evaluation."""
        super().reset_metrics()
        state = self._evaluation_seed_generator.state
        state.assign(tf.zeros_like(state.value))

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Measures the terms of the loss on a batch."""
        with self._spanning(data):
            batch = self._unpack(data, fitting=False)
            seed = tf.cast(self._evaluation_seed_generator.next(), tf.int32)
            terms = self._measure(batch, seed, training=False)
            return self._reducible(self._log(batch, terms, self._encoder_loss(batch, terms)))

    def _unpack(self, data: Any, fitting: bool) -> Batch:
        inputs, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if sample_weight is not None:
            sample_weight = tf.reshape(tf.cast(sample_weight, tf.float32), [-1])
        labels = batch_labels(inputs, labels, LabelRule(self.labels, self.num_classes, fitting))
        return Batch(inputs, labels, sample_weight)

    def _check_arguments(self, arguments: dict[str, Any], fitting: bool = False) -> dict[str, Any]:
        names = ("x", "y", "sample_weight")
        x, y, sample_weight = (arguments.get(name) for name in names)
        checked = self._check_data("x", x, y, sample_weight, fitting)
        return {**arguments, **dict(zip(names, checked, strict=True))}

    def _check_data(
        self,
        argument: str,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        fitting: bool = False,
    ) -> tuple[Any, Any, Any]:
        checked = check_fit_data(
            argument,
            x,
            y,
            sample_weight,
            shape=self.decoder.output_shape[1:],
            unit_interval=self._compile_arguments.get("reconstruction_loss") == "bernoulli",
            labels=LabelRule(self.labels, self.num_classes, fitting),
        )
        if fitting:
            self.check_labels(checked[1])
        return checked

    def check_labels(self, labels: np.ndarray | None) -> None:
        """Looks at labels that are valid before training starts; may warn."""
