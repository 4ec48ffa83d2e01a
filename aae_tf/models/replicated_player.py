"""A player whose moves several replicas share."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from aae_tf.models.player import Player, Update, switch


class ReplicatedPlayer(Player):
    """A `Player` that averages its gradients over replicas before anything looks at them.

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
        with _without_summing(self._inner):
            super()._apply(gradients, rate)

    def _branch(
        self,
        choice: tf.Tensor,
        factors: Sequence[Any],
        gradients: Sequence[Any],
        rate: tf.Tensor | None,
    ) -> None:
        # Optimizers merge the replicas to move variables, which no branch within a replica may do.
        def across(strategy: Any, choice: Any, factors: Any, gradients: Any, rate: Any) -> None:
            def apply(factor: Any) -> None:
                strategy.extended.call_for_each_replica(
                    self._apply_scaled, args=(gradients, factor, rate)
                )

            switch(strategy.experimental_local_results(choice)[0], factors, apply)

        tf.distribute.get_replica_context().merge_call(
            across, args=(choice, factors, gradients, rate)
        )


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
def _without_summing(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Keeps an optimizer from summing over replicas what is averaged, within this context."""
    # As in `update_steps`: replicas enter and leave in turns.
    vars(optimizer)["_all_reduce_sum_gradients"] = list
    try:
        yield
    finally:
        vars(optimizer).pop("_all_reduce_sum_gradients", None)
