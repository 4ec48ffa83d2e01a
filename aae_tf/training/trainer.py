"""What `compile` makes of a model's arguments, and what a training step does with it."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from aae_tf import replicas
from aae_tf.checks import check_bool, check_choice, check_dimension
from aae_tf.divergences import DivergenceTerms
from aae_tf.losses.weights import Weight, check_weight
from aae_tf.training.averages import AveragedWeights
from aae_tf.training.balance import Balance, BalanceController
from aae_tf.training.guard import Guard, GuardState, SkipMonitor, SkipReport, Snapshot
from aae_tf.training.learning_rates import ProportionalRates
from aae_tf.training.objective import (
    BatchMean,
    LogMeans,
    Objective,
    autoencoder_layers,
    divergences_of,
    logged_values,
    regularized_layers,
)
from aae_tf.training.reconstruction_loss import Identifier, ReconstructionLoss
from aae_tf.training.terms import Batch, LossTerms, StepResult, Tensors, TrainableModel, Update
from aae_tf.training.updater import Updater

OptimizerIdentifier: TypeAlias = "str | keras.optimizers.Optimizer | None"
Step: TypeAlias = Callable[["Trainer", Batch, tf.Tensor], StepResult]

_SKIPPED, _SHORTENED = "skipped_updates", "shortened_updates"


class DiscriminatorTapes(NamedTuple):
    """The tapes that are open while codes are compared with their priors.

    Attributes:
        loss: watches the variables of the discriminators; None where there are none.
        steepness: watches the codes; None where the balance is fixed.
    """

    loss: tf.GradientTape | None
    steepness: tf.GradientTape | None


class Trainer:
    """The optimizers of a compiled model and everything else that a training step needs.

    A step takes a snapshot of what no gradient moves, runs the schedule, restores the snapshot if
    the guard rejected an update, and adds the batch to the means of the logs.

    Args:
        model: what is trained.
        schedules: those that it can be trained in, by name.
        optimizer: see `models.BaseModel.compile`, as for all that follow.
        discriminator_optimizer: of the discriminators.
        regularization_optimizer: of the alternating schedule's regularization phase.
        reconstruction_loss: its name, or a callable.
        schedule: "joint" or "alternating".
        reconstruction_weight: factor of the reconstruction loss.
        scale_losses: whether optimizers scale their loss, for float16.
        guard: which updates are rejected.
        balance: how the learning rate of discriminators is controlled.
        discriminator_steps: updates of the discriminators for one of the encoder.
        log_gradient_norms: whether the gradient norm of each term is logged.
        with_outputs: whether the outputs of a batch are kept, for metrics.

    Attributes:
        optimizers: by their argument of `compile`.
        autoencoder: updates encoder and decoder.
        discriminators: updates the discriminators; None where no code has one.
        regularizer: updates what the divergences move; the autoencoder's in the joint schedule.
        objective: the terms of the loss.
        model: the argument.
        log_gradient_norms: the argument.
        loss: the metric of the log key `loss`.
        means: the metrics of all log keys.
        metric_names: what `compute_metrics` of the model gives beside these; set by `compile`.
        averages: the moving averages of weights, where optimizers have them.
        balance: the controller of the discriminators' learning rates; None where it is fixed.
        monitor: counts updates skipped in a row; None without a guard.
        config: the arguments that have been resolved, as `compile` takes them.

    Raises:
        ValueError: if an argument is out of its range.
        TypeError: if an argument is of a wrong type.
    """

    def __init__(
        self,
        model: TrainableModel,
        schedules: Mapping[str, Step],
        optimizer: OptimizerIdentifier,
        discriminator_optimizer: OptimizerIdentifier,
        regularization_optimizer: OptimizerIdentifier,
        reconstruction_loss: Identifier,
        schedule: str,
        reconstruction_weight: Weight,
        scale_losses: bool,
        guard: Guard | bool | None,
        balance: Balance | str,
        discriminator_steps: int,
        log_gradient_norms: bool,
        with_outputs: bool,
    ) -> None:
        compare_outputs = ReconstructionLoss(reconstruction_loss, model.decoder)
        check_choice("schedule", schedule, tuple(schedules))
        check_weight("reconstruction_weight", reconstruction_weight)
        if regularization_optimizer is not None and schedule == "joint":
            raise ValueError(
                "Expected `regularization_optimizer` to be None with schedule='joint', which has "
                "no step of its own for the divergences. "
                f"Received: regularization_optimizer={regularization_optimizer!r}."
            )
        divergences = divergences_of(model)
        adversarial = {key: each for key, each in divergences.items() if each.has_discriminator}
        guard, balance_rules = Guard.get(guard), Balance.get(balance, divergences)
        self._discriminator_steps = check_dimension("discriminator_steps", discriminator_steps)
        self.log_gradient_norms = check_bool("log_gradient_norms", log_gradient_norms)
        self.metric_names: tuple[str, ...] = ()

        first = keras.optimizers.get(optimizer)
        given = {"optimizer": first}
        if adversarial:
            given["discriminator_optimizer"] = _copy_unless(
                "discriminator_optimizer", discriminator_optimizer, first
            )
        if schedule == "alternating":
            given["regularization_optimizer"] = _copy_unless(
                "regularization_optimizer", regularization_optimizer, first
            )
        layers = {
            "optimizer": autoencoder_layers(model),
            "discriminator_optimizer": list(divergences.values()),
            "regularization_optimizer": regularized_layers(model),
        }
        updaters = {
            name: Updater(name, _loss_scaled(each, scale_losses), _variables(layers[name]), guard)
            for name, each in given.items()
        }

        self.model = model
        self.optimizers = {name: updater.optimizer for name, updater in updaters.items()}
        self.autoencoder = updaters["optimizer"]
        self.discriminators = updaters.get("discriminator_optimizer")
        self.regularizer = updaters.get("regularization_optimizer", self.autoencoder)
        self.objective = Objective(
            model,
            compare_outputs,
            reconstruction_weight,
            steps=self.autoencoder.optimizer.iterations,
            # In the alternating schedule, the updates of the regularizer come last.
            regularization_steps=self.regularizer.optimizer.iterations,
            with_outputs=with_outputs,
        )
        self.loss = BatchMean(name="loss")
        self.means = LogMeans(self.loss, counts=(_SKIPPED, _SHORTENED))
        self._updaters = list(updaters.values())
        self.averages = AveragedWeights(self._updaters)
        self._step = schedules[schedule]
        self._adversarial = list(adversarial)
        self.balance: BalanceController | None = None
        if balance_rules is not None and self.discriminators is not None:
            self.balance = BalanceController(
                balance_rules, adversarial, self.discriminators.variables
            )
        guard_states = {
            each.argument: each.guard_state for each in self._updaters if each.guard_state
        }
        self._limits_steps = any(state.limits_steps for state in guard_states.values())
        self._stateful: list[GuardState | BalanceController] = [
            *guard_states.values(),
            *([self.balance] if self.balance else []),
        ]
        self.monitor: SkipMonitor | None = None
        if guard is not None:
            scaled = [updater.argument for updater in self._updaters if updater.is_scaled]
            self.monitor = SkipMonitor(
                guard_states, guard.max_consecutive_skips, scaled, self._adversarial
            )
        self.config = {
            **dict.fromkeys(("discriminator_optimizer", "regularization_optimizer")),
            **given,
            "reconstruction_loss": compare_outputs.identifier,
            "schedule": schedule,
            "reconstruction_weight": reconstruction_weight,
            "guard": guard,
            "balance": "fixed" if balance_rules is None else balance_rules,
            "discriminator_steps": discriminator_steps,
            "log_gradient_norms": log_gradient_norms,
        }

    # One step.

    def step(self, batch: Batch, seed: tf.Tensor) -> Tensors:
        """Makes one training step, and returns the means of the logs up to now.

        Args:
            batch: what is trained on.
            seed: int32 [2]; fixes codes, prior samples and noise.
        """
        snapshot = Snapshot(self.model.non_trainable_weights if self.monitor is not None else ())
        result = self._step(self, batch, seed)
        size = replicas.row_count(batch.inputs)
        values = {"loss": (result.loss, size), **logged_values(batch, result.terms)}
        accepted = self.all_accepted(result.updates)
        if self.monitor is not None and accepted is not None:
            snapshot.restore_unless(accepted)
            overflows = tf.reduce_any(tf.stack([each.overflows for each in result.updates]))
            measured = {key: value for key, (value, _) in values.items()}
            self.monitor.record(
                accepted, overflows, batch.inputs, measured, self.autoencoder.uses_branches
            )
            # The loss is finite where its scale was too large, and it is that of the batch.
            accepted |= overflows
        values |= {key: (value, size) for key, value in result.logs.items()}
        logs = self.means.add(values, accepted)
        logs |= self._measure_outputs(batch, result.terms.outputs, logs, accepted)
        if self.monitor is not None:
            logs[_SKIPPED] = self.means.count(
                _SKIPPED, [~update.accepted for update in result.updates]
            )
        if self._limits_steps:
            logs[_SHORTENED] = self.means.count(
                _SHORTENED, [update.shortened for update in result.updates]
            )
        return replicas.reducible_logs(logs)

    def evaluate(self, batch: Batch, seed: tf.Tensor) -> Tensors:
        """Measures the terms of the loss, and returns the means of the logs up to now."""
        code_seed, divergence_seed = tf.unstack(tf.random.split(seed, 2))
        codes = self.model.sample_codes(batch, code_seed, training=False)
        terms = self.objective.measure(batch, codes, divergence_seed, training=False)
        loss = self.objective.encoder_loss(batch, terms)
        size = replicas.row_count(batch.inputs)
        logs = self.means.add({"loss": (loss, size), **logged_values(batch, terms)})
        logs |= self._measure_outputs(batch, terms.outputs, logs)
        return replicas.reducible_logs(logs)

    def _measure_outputs(
        self,
        batch: Batch,
        outputs: tf.Tensor | None,
        logs: Tensors,
        accepted: tf.Tensor | None = None,
    ) -> Tensors:
        """Adds a batch to the metrics of `compile`, unless it is rejected; returns their values.

        Raises:
            ValueError: if a metric has the name of a log.
        """
        if not self.metric_names or outputs is None:
            return {}
        taken = {*logs, _SKIPPED, _SHORTENED}.intersection(self.metric_names)
        if taken:
            raise ValueError(
                "Expected `metrics` to have names of their own. "
                f"Received: {', '.join(sorted(taken))}, which the model logs already."
            )
        snapshot = Snapshot(v for metric in self.model.metrics for v in metric.variables)
        results = self.model.compute_metrics(
            batch.inputs, batch.compared, outputs, batch.sample_weight
        )
        if accepted is not None:
            snapshot.restore_unless(accepted)
        return {name: results[name] for name in self.metric_names}

    # The parts of a schedule.

    def sample_codes(
        self, batch: Batch, seed: tf.Tensor, tapes: DiscriminatorTapes | None = None
    ) -> Tensors:
        """Samples codes to train on; a steepness tape, if there is one, watches them."""
        codes = self.model.sample_codes(batch, seed, training=True)
        if tapes is not None and tapes.steepness is not None:
            tapes.steepness.watch(list(self._adversarial_codes(codes).values()))
        return codes

    @contextlib.contextmanager
    def discriminator_tapes(self) -> Iterator[DiscriminatorTapes]:
        """Opens the tapes of `update_discriminators`."""
        with contextlib.ExitStack() as stack:
            loss = steepness = None
            if self.discriminators is not None:
                loss = stack.enter_context(self.discriminators.tape())
            if self.balance is not None:
                steepness = stack.enter_context(
                    tf.GradientTape(persistent=True, watch_accessed_variables=False)
                )
            yield DiscriminatorTapes(loss, steepness)

    def discriminate(
        self, codes: Tensors, batch: Batch, seed: tf.Tensor
    ) -> dict[str, DivergenceTerms]:
        """Compares codes with their priors where there are discriminators to update."""
        if self.discriminators is None:
            return {}
        return self.objective.compare(codes, batch, seed, training=True)

    def update_discriminators(
        self,
        tapes: DiscriminatorTapes,
        loss: tf.Tensor,
        divergences: Mapping[str, DivergenceTerms],
        codes: Tensors,
        batch: Batch,
        seed: tf.Tensor,
        updates: list[Update],
    ) -> Tensors:
        """Updates the discriminators `discriminator_steps` times: same codes, new prior samples.

        Args:
            tapes: from `discriminator_tapes`.
            loss: what the discriminators lower in their first update.
            divergences: the terms of the comparison that gave it.
            codes: what was compared.
            batch: what they are the codes of.
            seed: integer [2]; fixes the prior samples of further updates.
            updates: those of this step, to which the new ones are appended.

        Returns:
            Steepness and rate factor of each discriminator, where the balance is adaptive.
        """
        if self.discriminators is None or tapes.loss is None:
            return {}
        factors: tf.Tensor | None = None
        logs: Tensors = {}
        if self.balance is not None and tapes.steepness is not None:
            compared = self._adversarial_codes(codes)
            factors, logs = self.balance.rates(tapes.steepness, compared, divergences)
        allowed = self.all_accepted(updates)
        updates.append(self.discriminators.update(tapes.loss, loss, allowed, factors))
        codes = {name: tf.stop_gradient(code) for name, code in codes.items()}
        for number in range(1, self._discriminator_steps):
            further_seed = tf.random.fold_in(seed, number)
            with self.discriminators.tape() as tape:
                terms = self.objective.compare(
                    codes, batch, further_seed, training=True, adversarial_only=True
                )
                loss = self.objective.discriminator_loss(terms)
            allowed = self.all_accepted(updates)
            updates.append(self.discriminators.update(tape, loss, allowed, factors))
        return logs

    def all_accepted(self, updates: Sequence[Update]) -> tf.Tensor | None:
        """Tells whether the guard accepted all updates of a step up to now; None: no guard."""
        if not updates or self.autoencoder.guard_state is None:
            return None
        return tf.reduce_all(tf.stack([update.accepted for update in updates]))

    def weighted_terms(self, batch: Batch, terms: LossTerms) -> Tensors:
        """Gives each term times its weight, where its gradient norm is logged."""
        if not self.log_gradient_norms:
            return {}
        weighted = self.objective.weighted_divergences(terms)
        if terms.reconstruction is not None:
            weighted["reconstruction"] = self.objective.weighted_reconstruction(
                batch, terms.reconstruction
            )
        return weighted

    def gradient_norms(
        self, updater: Updater, tape: tf.GradientTape, weighted_terms: Tensors
    ) -> Tensors:
        """Gives the norm of each term's gradient at the weights that the divergences move."""
        if not self.log_gradient_norms:
            return {}
        layers = regularized_layers(self.model)
        weights = [v.value for layer in layers for v in layer.trainable_weights]
        norms = {}
        for name, loss in weighted_terms.items():
            # Scaled as in the updater, since float16 would round small gradients to zero.
            scale = updater.optimizer.scale_loss(tf.ones_like(loss))
            own = tape.gradient(loss, weights, output_gradients=scale)
            gradients = replicas.replica_mean([each for each in own if each is not None])
            norm = tf.linalg.global_norm([tf.zeros(()), *gradients])
            norms[f"{name}_gradient_norm"] = norm / scale
        return norms

    def _adversarial_codes(self, codes: Tensors) -> Tensors:
        return {key: self.objective.compared_codes(key, codes) for key in self._adversarial}

    # Around the steps.

    def callbacks(self) -> list[keras.callbacks.Callback]:
        """Makes what goes along with `fit`: the report of the guard, rates held in proportion."""
        report = [] if self.monitor is None else [SkipReport(self.monitor)]
        rates = [ProportionalRates(self.optimizers)] if len(self.optimizers) > 1 else []
        return [*report, *rates]

    @property
    def is_guarded(self) -> bool:
        """Whether updates that would end the training are rejected."""
        return self.monitor is not None

    def use_branches(self, enabled: bool) -> None:
        """Sets `Updater.uses_branches` of all updaters."""
        for updater in self._updaters:
            updater.uses_branches = enabled

    @property
    def state_variables(self) -> list[keras.Variable]:
        """What guard and balance have learned; not weights of the model."""
        return [each.state for each in self._stateful]

    @property
    def state(self) -> np.ndarray:
        """The values of `state_variables`, float32 [n], one after the other."""
        values = [variable.numpy() for variable in self.state_variables]
        return np.concatenate([np.zeros(0, np.float32), *values])

    @state.setter
    def state(self, values: np.ndarray) -> None:
        # That of another guard or balance has another length, and is not taken over.
        if len(values) == len(self.state):
            sizes = [variable.shape[0] for variable in self.state_variables]
            parts = np.split(np.asarray(values), np.cumsum(sizes)[:-1])
            for variable, part in zip(self.state_variables, parts, strict=True):
                variable.assign(part)


def _copy_unless(
    argument: str, identifier: OptimizerIdentifier, first: keras.optimizers.Optimizer
) -> keras.optimizers.Optimizer:
    """Resolves a further optimizer; by default a new one with the settings of the first."""
    if identifier is None:
        return type(first).from_config(first.get_config())
    try:
        return keras.optimizers.get(identifier)
    except ValueError:
        raise ValueError(
            f"Expected `{argument}` to be an optimizer, its name, or None; a loss is "
            f"`reconstruction_loss`. Received: {argument}={identifier!r}."
        ) from None


def _loss_scaled(optimizer: keras.optimizers.Optimizer, scale: bool) -> keras.optimizers.Optimizer:
    """Makes an optimizer scale its loss, unless it does already."""
    if not scale or isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer)


def _variables(layers: Iterable[keras.layers.Layer]) -> list[keras.Variable]:
    unique = {id(v): v for layer in layers for v in layer.trainable_variables}
    return list(unique.values())
