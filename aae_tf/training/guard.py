"""What keeps a batch from ending a training."""

from typing import Any

import keras

from aae_tf.checks import check_dimension, check_number, check_positive


@keras.saving.register_keras_serializable(package="aae_tf")
class Guard:
    """Leaves out, within the graph, the updates that would end a training.

    Every player judges each gradient by its global norm:

    - a norm that is not finite: the update is left out;
    - a norm above `spike_factor` times the largest of the last thousand steps or so: a batch unlike
      all others; the update is left out. Each further such norm in a row doubles the limit, so
      that gradients which have grown for good are let in after some steps;
    - a step of `keras.optimizers.SGD` that would go too far, learning_rate * norm / (1 - momentum)
      above `max_step` times the norm of the player's weights when training began: the gradient is
      scaled down to that length. Other optimizers divide by the gradients' size themselves.

    A batch that one player refuses is not given to those that move after it. It leaves no trace in
    what these move, nor in moving averages, nor in the means of the logs. A training in which
    nothing is left out or shortened is the training without a guard.

    Args:
        spike_factor: greater than 1; None leaves out what is not finite alone. The default left
            nothing out of trainings on MNIST at rates that suit them.
        max_step: positive; None does not limit steps. Trainings at the rates of the paper stayed
            below 0.1.
        max_skipped_updates: how many updates of one player in a row may be left out before
            training stops with a `FloatingPointError` that says what to change; None never stops.
            Those that the scale of a float16 loss made too large do not count.

    Logs:
        `skipped_updates`: number of updates left out in this epoch, of all players.
        `shortened_updates`: number of steps made shorter, where `max_step` limits an SGD.

    Raises:
        TypeError: if an argument is no number.
        ValueError: if it is out of its range.

    Example:

    >>> Guard(max_skipped_updates=10).spike_factor
    30.0

    References:
        You et al. 2017 (LARS) and Brock et al. 2021, section 4: the ratio of step and weights as
        a measure of what a step changes. Differs: it bounds the player's step as a whole, and does
        not touch steps below the bound.
    """

    def __init__(
        self,
        spike_factor: float | None = 30.0,
        max_step: float | None = 0.2,
        max_skipped_updates: int | None = 100,
    ) -> None:
        if spike_factor is not None and check_number("spike_factor", spike_factor) <= 1.0:
            raise ValueError(
                "Expected `spike_factor` to be greater than 1, or None. "
                f"Received: spike_factor={spike_factor!r}."
            )
        self.spike_factor = spike_factor
        self.max_step = None if max_step is None else check_positive("max_step", max_step)
        if max_skipped_updates is not None:
            max_skipped_updates = check_dimension("max_skipped_updates", max_skipped_updates)
        self.max_skipped_updates = max_skipped_updates

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "spike_factor": self.spike_factor,
            "max_step": self.max_step,
            "max_skipped_updates": self.max_skipped_updates,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Guard":
        """Builds the guard from what `get_config` returned."""
        return cls(**config)

    @classmethod
    def get(cls, identifier: Any) -> "Guard | None":
        """Resolves what `compile` was given: True is the default guard, None or False is none."""
        if identifier is None or isinstance(identifier, cls):
            return identifier
        if isinstance(identifier, bool):
            return cls() if identifier else None
        raise TypeError(
            f"Expected `guard` to be a Guard, a bool or None. Received: guard={identifier!r}."
        )
