"""A player whose moves several replicas share."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from aae_tf.models.player import Player, Update


class ReplicatedPlayer(Player):
    """A `Player` that sums its gradients over replicas before anything looks at them.

    Keras sums them last, in the optimizer's step: what is judged and clipped before would be the
    gradient of one replica's rows.

    Args:
        *args: those of `Player`.
        **kwargs: those of `Player`.
    """

    def update(self, tape: tf.GradientTape, *args: Any, **kwargs: Any) -> Update:
        """Moves the variables one step down the gradient of the whole batch; see `Player`."""
        return super().update(_WholeBatchTape(tape), *args, **kwargs)

    def _apply(self, gradients: Sequence[Any], rate: tf.Tensor | None) -> None:
        number = tf.distribute.get_strategy().num_replicas_in_sync
        with _already_summed(self._inner):
            super()._apply([_times(number, gradient) for gradient in gradients], rate)


class _WholeBatchTape:
    """A tape that gives the mean over replicas of their gradients."""

    def __init__(self, tape: tf.GradientTape) -> None:
        self._tape = tape

    def gradient(self, *args: Any, **kwargs: Any) -> list[Any]:
        own = self._tape.gradient(*args, **kwargs)
        context = tf.distribute.get_replica_context()
        known = [gradient for gradient in own if gradient is not None]
        means = iter(context.all_reduce(tf.distribute.ReduceOp.MEAN, known) if known else [])
        return [None if gradient is None else next(means) for gradient in own]


@contextlib.contextmanager
def _already_summed(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Keeps an optimizer from summing gradients over replicas, within this context."""
    # As in `update_steps`: replicas enter and leave in turns.
    vars(optimizer)["_all_reduce_sum_gradients"] = list
    try:
        yield
    finally:
        vars(optimizer).pop("_all_reduce_sum_gradients", None)


def _times(number: int, gradient: Any) -> Any:
    if gradient is None:
        return None
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(number * gradient.values, gradient.indices, gradient.dense_shape)
    return number * gradient
