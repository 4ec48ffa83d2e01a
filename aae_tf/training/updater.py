"""One side of the game: some variables and the optimizer that moves them."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from aae_tf.models.gate import Gate
from aae_tf.models.guard import Guard
from aae_tf.models.update_steps import update_steps
from aae_tf.replicas import replica_mean


class Update(NamedTuple):
    """What became of one update.

    Attributes:
        accepted: bool scalar: whether the guard let it through.
        shortened: bool scalar: whether its step was made shorter.
    """

    accepted: tf.Tensor
    shortened: tf.Tensor


class Player:
    """Updates a fixed list of variables to lower a loss.

    Args:
        argument: name of the argument of `compile` that the optimizer came by.
        optimizer: Keras optimizer, used by this player alone; built here, so that its moments
            exist before a checkpoint is read.
        variables: the Keras variables that it moves.
        guard: what its gradients are judged by; None lets all through.

    Attributes:
        has_branches: whether updates that are left out are branches of the graph. XLA looks for
            the constants in what decides on a branch, by running the backward pass in its
            interpreter: minutes for layers of 1000. Without branches it takes old values or new
            ones, in the optimizer's own pass over them.
        is_scaled: whether the optimizer scales the loss, for float16.

    Raises:
        ValueError: if the optimizer already moves other variables, or averages weights.
    """

    def __init__(
        self,
        argument: str,
        optimizer: keras.optimizers.Optimizer,
        variables: Sequence[keras.Variable],
        guard: Guard | None = None,
    ) -> None:
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        if inner.use_ema:
            # Keras hands all weights of the model to `model.optimizer` at the end of `fit`, and
            # would write the averages of one player's variables over another's.
            raise ValueError(
                f"Expected `{argument}` not to average weights: a model of several players has no "
                f"one optimizer to finalise. Received: {argument} with use_ema=True."
            )
        # `compile` wraps an optimizer anew, so that the wrapper is never built.
        if inner.built:
            known = {id(variable) for variable in inner._trainable_variables}
            if not known.issuperset(map(id, variables)):
                raise ValueError(
                    f"Expected `{argument}` to be an optimizer of its own, new or last compiled "
                    f"with the same variables. Received: {argument}={optimizer!r}."
                )
        if not optimizer.built:
            optimizer.build(variables)
        self.argument = argument
        self.optimizer = optimizer
        self._inner = inner
        self.variables = list(variables)
        self.has_branches = True
        self.is_scaled = inner is not optimizer
        # SGD alone moves by its gradient, times a factor that is known.
        self._momentum = inner.momentum if isinstance(inner, keras.optimizers.SGD) else None
        self.gate = (
            None if guard is None else Gate(guard, self.variables, self._momentum is not None)
        )

    @contextlib.contextmanager
    def tape(self, persistent: bool = False) -> Iterator[tf.GradientTape]:
        """Opens a tape that watches this player's variables and no others."""
        with tf.GradientTape(persistent=persistent, watch_accessed_variables=False) as tape:
            for variable in self.variables:
                tape.watch(variable.value)
            yield tape

    def update(
        self,
        tape: tf.GradientTape,
        loss: tf.Tensor,
        wanted: tf.Tensor | None = None,
        rate: tf.Tensor | None = None,
    ) -> Update:
        """Moves the variables one step down the gradient of `loss` that `tape` recorded.

        Args:
            tape: from `tape`.
            loss: scalar.
            wanted: bool scalar; where false, nothing moves and nothing is judged. Not looked at
                without a guard.
            rate: float32 scalar that multiplies the optimizer's learning rate, or one for each of
                `variables`, [n]; None is 1.

        Returns:
            `Update`.
        """
        # Scaling the incoming gradient scales the loss, for an optimizer that asks for it.
        scale = self.optimizer.scale_loss(tf.ones_like(loss))
        gradients = tape.gradient(
            loss, [variable.value for variable in self.variables], output_gradients=scale
        )
        if self.gate is None:
            self._apply(gradients, rate)
            return Update(tf.constant(True), tf.constant(False))
        norm = _global_norm(gradients) / tf.cast(scale, tf.float32)
        overflows = self._overflows(loss, norm, scale)
        verdict = self.gate.judge(norm, self._step_size(rate), wanted, overflows)
        shortened = tf.constant(False) if verdict.scale is None else verdict.scale < 1.0
        made = verdict.accepted
        if wanted is not None:
            made, overflows = made & wanted, overflows & wanted
        self._move(gradients, rate, made, shortened & made, verdict.scale, overflows)
        return Update(verdict.accepted, shortened & made)

    def _overflows(self, loss: tf.Tensor, norm: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
        """Tells whether the scale of the loss made a gradient too large for float16.

        A loss that is not finite is no matter of its scale, nor is a gradient that is not finite
        without one: these are bad batches, and would bring the scale down for thousands of steps.
        """
        if not self.is_scaled:
            return tf.constant(False)
        (loss,) = replica_mean([loss])
        return tf.math.is_finite(loss) & ~tf.math.is_finite(norm) & (scale > 1.0)

    def _apply(self, gradients: Sequence[Any], rate: tf.Tensor | None) -> None:
        if rate is not None and rate.shape.rank:
            # The optimizer may have been built with more variables than it moves now.
            where = [[self._inner._get_variable_index(v.value)] for v in self.variables]
            every = tf.ones([len(self._inner._trainable_variables)])
            rate = tf.tensor_scatter_nd_update(every, where, rate)
        with update_steps(self._inner, rate):
            self.optimizer.apply(gradients, self.variables)

    def _step_size(self, rate: tf.Tensor | None) -> tf.Tensor:
        if self._momentum is None:
            return tf.zeros(())
        length = tf.cast(tf.convert_to_tensor(self.optimizer.learning_rate), tf.float32)
        if rate is not None:
            length *= tf.reduce_max(rate)
        # Steps in one direction add up to this many times the first.
        return length / max(1.0 - self._momentum, 1e-3)

    def _move(
        self,
        gradients: list[Any],
        rate: tf.Tensor | None,
        made: tf.Tensor,
        shortened: tf.Tensor,
        scale: tf.Tensor | None,
        overflows: tf.Tensor,
    ) -> None:
        """Applies the gradients as they are, scaled, or not at all."""
        if not self.has_branches:
            self._move_or_restore(gradients, rate, made, scale, overflows)
            return
        factors: list[Any] = [None, 1.0]
        choice = tf.cast(made, tf.int32)
        if scale is not None:
            factors.append(scale)
            choice += tf.cast(shortened, tf.int32)
        if self.is_scaled:
            # The optimizer is told of an overflow, on all replicas alike, to lower its scale; it
            # then moves nothing itself.
            choice = tf.where(overflows, len(factors), choice)
            factors.append(float("nan"))
        self._branch(choice, factors, gradients, rate)

    def _branch(
        self,
        choice: tf.Tensor,
        factors: Sequence[Any],
        gradients: Sequence[Any],
        rate: tf.Tensor | None,
    ) -> None:
        """Applies the gradients times the chosen factor, or not at all where that is None."""
        switch(choice, factors, lambda factor: self._apply_scaled(gradients, factor, rate))

    def _apply_scaled(self, gradients: Sequence[Any], factor: Any, rate: tf.Tensor | None) -> None:
        self._apply(_scaled(gradients, factor), rate)

    def _move_or_restore(
        self,
        gradients: list[Any],
        rate: tf.Tensor | None,
        made: tf.Tensor,
        scale: tf.Tensor | None,
        overflows: tf.Tensor,
    ) -> None:
        """Applies the gradients, and puts back what was there if they should not have been."""
        factor: Any = 1.0 if scale is None else scale
        if self.is_scaled:
            # The optimizer is told of an overflow, to lower its scale, and moves nothing itself.
            factor = tf.where(overflows, np.float32(np.nan), factor)
            made |= overflows
        moved = [*self.variables, *self.optimizer.variables]
        before = [tf.identity(variable.value) for variable in moved]
        self._apply_scaled(gradients, factor, rate)
        for variable, value in zip(moved, before, strict=True):
            variable.assign(tf.where(made, variable.value, value))


def switch(choice: tf.Tensor, factors: Sequence[Any], apply: Callable[[Any], None]) -> None:
    """Calls `apply` with the chosen factor in a branch of the graph, unless that is None."""

    def branch(factor: Any) -> Callable[[], tf.Tensor]:
        def run() -> tf.Tensor:
            if factor is not None:
                apply(factor)
            return tf.zeros(())

        return run

    tf.switch_case(choice, [branch(factor) for factor in factors])


def companion(optimizer: Any, given: Any) -> keras.optimizers.Optimizer:
    """Resolves a further optimizer; by default a new one with the settings of the first."""
    if given is None:
        return type(optimizer).from_config(optimizer.get_config())
    return keras.optimizers.get(given)


def loss_scaled(optimizer: Any, scale: bool) -> keras.optimizers.Optimizer:
    """Lets an optimizer scale its loss, unless it does already."""
    if not scale or isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer)


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
