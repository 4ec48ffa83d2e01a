"""One side of the game: some variables and the optimizer that moves them."""

import contextlib
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf


class Player:
    """Updates a fixed list of variables to lower a loss.

    Args:
        optimizer: Keras optimizer, used by this player alone; built here, so that its moments
            exist before a checkpoint is read.
        variables: the Keras variables that it moves.
    """

    def __init__(
        self, optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable]
    ) -> None:
        self.optimizer = optimizer
        self.variables = list(variables)
        if not optimizer.built:
            optimizer.build(self.variables)

    @contextlib.contextmanager
    def tape(self) -> Iterator[tf.GradientTape]:
        """Opens a tape that watches this player's variables and no others."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            for variable in self.variables:
                tape.watch(variable.value)
            yield tape

    def update(self, tape: tf.GradientTape, loss: tf.Tensor) -> None:
        """Moves the variables one step down the gradient of `loss` that `tape` recorded."""
        # Scaling the incoming gradient scales the loss, for an optimizer that asks for it.
        scale = self.optimizer.scale_loss(tf.ones_like(loss))
        gradients = tape.gradient(
            loss, [variable.value for variable in self.variables], output_gradients=scale
        )
        self.optimizer.apply(gradients, self.variables)
