"""One side of the game: some variables and the optimizer that moves them."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf


class Player:
    """Updates a fixed list of variables to lower a loss.

    Args:
        argument: name of the argument of `compile` that the optimizer came by.
        optimizer: Keras optimizer, used by this player alone; built here, so that its moments
            exist before a checkpoint is read.
        variables: the Keras variables that it moves.

    Raises:
        ValueError: if the optimizer already moves other variables, or averages weights.
    """

    def __init__(
        self,
        argument: str,
        optimizer: keras.optimizers.Optimizer,
        variables: Sequence[keras.Variable],
    ) -> None:
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        if inner.use_ema:
            # Keras hands all weights of the model to `model.optimizer` at the end of `fit`, and
            # would write the averages of one player's variables over another's.
            raise ValueError(
                f"Expected `{argument}` not to average weights: a model of several players has no "
                f"one optimizer to finalise. Received: {argument} with use_ema=True."
            )
        if optimizer.built:
            known = {id(variable) for variable in inner._trainable_variables}
            if not known.issuperset(map(id, variables)):
                raise ValueError(
                    f"Expected `{argument}` to be an optimizer of its own, new or last compiled "
                    f"with the same variables. Received: {argument}={optimizer!r}."
                )
        else:
            optimizer.build(variables)
        self.optimizer = optimizer
        self.variables = list(variables)

    @contextlib.contextmanager
    def tape(self) -> Iterator[tf.GradientTape]:
        """Opens a tape that watches this player's variables and no others."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            for variable in self.variables:
                tape.watch(variable.value)
            yield tape

    def update(self, tape: tf.GradientTape, loss: tf.Tensor) -> None:
        """Moves the variables one step down the gradient of `loss` that `tape` recorded."""
        # Scaling the incoming gradient scales the loss: for an optimizer that asks for it, and
        # because Keras sums gradients over replicas where the loss is a mean over the batch.
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        scale = self.optimizer.scale_loss(tf.ones_like(loss) / replicas)
        gradients = tape.gradient(
            loss, [variable.value for variable in self.variables], output_gradients=scale
        )
        self.optimizer.apply(gradients, self.variables)


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
