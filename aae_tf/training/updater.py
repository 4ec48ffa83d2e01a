"""One optimizer of a model with the variables that it moves, and one update of them."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf import replicas
from aae_tf.training.fused_kernels import fused_updates
from aae_tf.training.guard import Guard, GuardState
from aae_tf.training.terms import Update


class Updater:
    """Updates a fixed list of variables to lower a loss.

    Args:
        argument: name of the argument of `compile` that the optimizer came by.
        optimizer: Keras optimizer, used by this updater alone; built here, so that its moments
            exist before a checkpoint is read.
        variables: the Keras variables that it moves.
        guard: the rules by which updates are rejected; None accepts all.

    Attributes:
        guard_state: the state of the guard for these variables; None without a guard.
        uses_branches: whether a rejected update is a branch of the graph that is not run. XLA looks
            for constants in what decides on a branch, by running the backward pass in its
            interpreter: minutes for layers of 1000. Without branches the update is computed, and
            old values or new ones are chosen in the optimizer's own pass over them.
        is_scaled: whether the optimizer scales the loss, for float16.

    Raises:
        ValueError: if the optimizer already moves other variables, or has a learning rate
            that is not finite.
    """

    def __init__(
        self,
        argument: str,
        optimizer: keras.optimizers.Optimizer,
        variables: Sequence[keras.Variable],
        guard: Guard | None = None,
    ) -> None:
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        # `compile` wraps an optimizer anew, so that the wrapper is never built.
        if inner.built:
            known = {id(variable) for variable in inner._trainable_variables}
            if not known.issuperset(map(id, variables)):
                raise ValueError(
                    f"Expected `{argument}` to be an optimizer of its own, new or last compiled "
                    f"with the same variables. Received: {argument}={optimizer!r}."
                )
        rate = float(inner.learning_rate.numpy())
        if not np.isfinite(rate):
            raise ValueError(
                f"Expected `{argument}` to have a finite learning rate. "
                f"Received: learning_rate={rate}."
            )
        if not optimizer.built:
            optimizer.build(variables)
        self.argument = argument
        self.optimizer = optimizer
        self.variables = list(variables)
        self.uses_branches = True
        self.is_scaled = inner is not optimizer
        self._inner = inner
        # The step of SGD alone is its gradient times a factor that is known.
        self._momentum = inner.momentum if isinstance(inner, keras.optimizers.SGD) else None
        self.guard_state: GuardState | None = None
        if guard is not None:
            limits_steps = self._momentum is not None
            self.guard_state = GuardState(
                guard, self.variables, limits_steps, lambda: inner.learning_rate
            )

    @property
    def averages_weights(self) -> bool:
        """Whether the optimizer has a moving average of each weight, `use_ema`."""
        return self._inner.use_ema

    def averages(self) -> list[tuple[keras.Variable, keras.Variable]]:
        """Gives each variable with its moving average; none before the first update."""
        # Keras starts the averages from zero, and lets the first update overwrite them.
        if not self.averages_weights or not int(self._inner._iterations.numpy()):
            return []
        averages = self._inner._model_variables_moving_average
        return [(v, averages[self._inner._get_variable_index(v.value)]) for v in self.variables]

    @contextlib.contextmanager
    def tape(self, persistent: bool = False) -> Iterator[tf.GradientTape]:
        """Opens a tape that watches these variables and no others."""
        with tf.GradientTape(persistent=persistent, watch_accessed_variables=False) as tape:
            for variable in self.variables:
                tape.watch(variable.value)
            yield tape

    def update(
        self,
        tape: tf.GradientTape,
        loss: tf.Tensor,
        allowed: tf.Tensor | None = None,
        rate: tf.Tensor | None = None,
    ) -> Update:
        """Moves the variables one step down the gradient of `loss` that `tape` recorded.

        Args:
            tape: from `tape`.
            loss: scalar.
            allowed: bool scalar; where false, nothing moves and the guard learns nothing. Not
                looked at without a guard.
            rate: float32 scalar that multiplies the optimizer's learning rate, or one for each of
                `variables`, [n]; None is 1.

        Returns:
            `Update`.
        """
        # Scaling the incoming gradient scales the loss, for an optimizer that asks for it.
        scale = self.optimizer.scale_loss(tf.ones_like(loss))
        gradients = replicas.mean_gradients(
            tape.gradient(
                loss, [variable.value for variable in self.variables], output_gradients=scale
            )
        )
        if self.guard_state is None:
            self._apply(gradients, rate)
            return Update(tf.constant(True), tf.constant(False), tf.constant(False))
        norm = _global_norm(gradients) / tf.cast(scale, tf.float32)
        overflows = self._overflows(loss, norm, scale)
        decision = self.guard_state.decide(norm, self._step_size(rate), allowed, overflows)
        shortened = tf.constant(False) if decision.scale is None else decision.scale < 1.0
        applied = decision.accepted
        if allowed is not None:
            applied, overflows = applied & allowed, overflows & allowed
        shortened &= applied
        if self.uses_branches:
            self._apply_in_branch(gradients, rate, applied, shortened, decision.scale, overflows)
        else:
            self._apply_or_restore(gradients, rate, applied, decision.scale, overflows)
        return Update(decision.accepted, shortened, overflows)

    def _overflows(self, loss: tf.Tensor, norm: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
        """Tells whether the scale of the loss made a gradient too large for float16.

        A loss that is not finite has another cause than its scale, and so has a gradient that is
        not finite without one: these are bad batches, and would lower the scale for thousands of
        steps.
        """
        if not self.is_scaled:
            return tf.constant(False)
        (loss,) = replicas.replica_mean([loss])
        return tf.math.is_finite(loss) & ~tf.math.is_finite(norm) & (scale > 1.0)

    def _step_size(self, rate: tf.Tensor | None) -> tf.Tensor:
        if self._momentum is None:
            return tf.zeros(())
        length = tf.cast(tf.convert_to_tensor(self.optimizer.learning_rate), tf.float32)
        if rate is not None:
            length *= tf.reduce_max(rate)
        # Steps in one direction add up to this many times the first.
        return length / max(1.0 - self._momentum, 1e-3)

    def _apply_in_branch(
        self,
        gradients: list[Any],
        rate: tf.Tensor | None,
        applied: tf.Tensor,
        shortened: tf.Tensor,
        scale: tf.Tensor | None,
        overflows: tf.Tensor,
    ) -> None:
        """Applies the gradients as they are, scaled, or not at all."""
        factors: list[Any] = [None, 1.0]
        choice = tf.cast(applied, tf.int32)
        if scale is not None:
            factors.append(scale)
            choice += tf.cast(shortened, tf.int32)
        if self.is_scaled:
            # NaN tells the optimizer of an overflow, on all replicas alike, to lower its scale; it
            # then moves nothing itself.
            choice = tf.where(overflows, len(factors), choice)
            factors.append(float("nan"))
        replicas.switch(choice, factors, self._apply_scaled, gradients, rate)

    def _apply_or_restore(
        self,
        gradients: list[Any],
        rate: tf.Tensor | None,
        applied: tf.Tensor,
        scale: tf.Tensor | None,
        overflows: tf.Tensor,
    ) -> None:
        """Applies the gradients, and restores the values of before if the update is rejected."""
        factor: Any = 1.0 if scale is None else scale
        if self.is_scaled:
            factor = tf.where(overflows, np.float32(np.nan), factor)
            applied |= overflows
        moved = [*self.variables, *self.optimizer.variables]
        before = [tf.identity(variable.value) for variable in moved]
        self._apply_scaled(factor, gradients, rate)
        for variable, value in zip(moved, before, strict=True):
            variable.assign(tf.where(applied, variable.value, value))

    def _apply_scaled(self, factor: Any, gradients: Sequence[Any], rate: tf.Tensor | None) -> None:
        self._apply(_scaled(gradients, factor), rate)

    def _apply(self, gradients: Sequence[Any], rate: tf.Tensor | None) -> None:
        if rate is not None and rate.shape.rank:
            # The optimizer may have been built with more variables than it moves now.
            where = [[self._inner._get_variable_index(v.value)] for v in self.variables]
            every = tf.ones([len(self._inner._trainable_variables)])
            rate = tf.tensor_scatter_nd_update(every, where, rate)
        with replicas.averaged_gradients(self._inner), fused_updates(self._inner, rate):
            self.optimizer.apply(gradients, self.variables)


def _global_norm(gradients: Sequence[Any]) -> tf.Tensor:
    """Gives the norm over all variables."""
    values = [_values(gradient) for gradient in gradients if gradient is not None]
    halves = [tf.nn.l2_loss(tf.cast(value, tf.float32)) for value in values]
    return tf.sqrt(2.0 * tf.add_n([tf.zeros(()), *halves]))


def _values(gradient: Any) -> tf.Tensor:
    return gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient


def _scaled(gradients: Sequence[Any], factor: Any) -> list[Any]:
    if not tf.is_tensor(factor) and factor == 1.0:
        return list(gradients)
    return [
        None
        if gradient is None
        else tf.IndexedSlices(factor * gradient.values, gradient.indices, gradient.dense_shape)
        if isinstance(gradient, tf.IndexedSlices)
        else tf.cast(factor, gradient.dtype) * gradient
        for gradient in gradients
    ]
