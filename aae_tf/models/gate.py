"""The judgement of one player's gradients."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from aae_tf.models.guard import Guard
from aae_tf.models.memory import make_memory

# The largest norm of the past is forgotten by half in 693 steps.
_MEMORY = 0.999
# Weights that start at zero may move all the same: a mean square of 1e-6 is assumed, as in Brock et
# al. 2021.
_SMALLEST_WEIGHT = 1e-3


class Verdict(NamedTuple):
    """What becomes of an update.

    Attributes:
        accepted: bool scalar, whether it is made.
        scale: float32 scalar in (0, 1], the factor of its gradients; None where
            steps have no limit.
    """

    accepted: tf.Tensor
    scale: tf.Tensor | None


class Gate:
    """Remembers the gradients of a player, and says which of its updates are made.

    Args:
        guard: the rules.
        weights: the Keras variables of the player.
        limits_steps: whether the length of a step is known from its gradient, and limited.

    Attributes:
        state: float32 [4]: the largest norm of the recent past, how many updates in a row were left
            out, overflows not counted, how many of these for a spike, and the norm of the weights
            when training began.
    """

    def __init__(self, guard: Guard, weights: list[keras.Variable], limits_steps: bool) -> None:
        self.guard = guard
        self.limits_steps = limits_steps and guard.max_step is not None
        self._weights = weights
        size = sum(int(np.prod(weight.shape)) for weight in weights)
        self._smallest_norm = np.float32(_SMALLEST_WEIGHT * np.sqrt(size))
        self.state = make_memory(np.zeros(4), "gate")

    def judge(
        self,
        norm: tf.Tensor,
        step_size: tf.Tensor,
        wanted: tf.Tensor | None = None,
        overflows: tf.Tensor | bool = False,
    ) -> Verdict:
        """Judges an update by the norm of its gradient, and remembers it.

        Args:
            norm: float32 scalar.
            step_size: float32 scalar, the length of the step of a gradient of norm one.
            wanted: bool scalar; where false, there is nothing to judge: all is accepted, and
                nothing remembered.
            overflows: bool scalar; where true, the scale of the loss is to blame and is going to
                be lowered: the update is left out, and not counted among those in a row.

        Returns:
            `Verdict`.
        """
        largest, skipped, spikes, weight_norm = tf.unstack(self.state.value)
        is_finite = tf.math.is_finite(norm)
        is_spike = tf.constant(False)
        if self.guard.spike_factor is not None:
            limit = self.guard.spike_factor * largest * tf.pow(2.0, spikes)
            is_spike = is_finite & (largest > 0.0) & (norm > limit)
        accepted = is_finite & ~is_spike
        scale = None
        if self.limits_steps:
            weight_norm = tf.cond(weight_norm > 0.0, lambda: weight_norm, self._weight_norm)
            longest = self.guard.max_step * weight_norm
            scale = tf.minimum(1.0, longest / tf.maximum(step_size * norm, longest))
        remembered = tf.stack(
            [
                tf.where(accepted, tf.maximum(norm, _MEMORY * largest), largest),
                tf.where(accepted, 0.0, skipped + tf.where(overflows, 0.0, 1.0)),
                tf.where(is_spike, spikes + 1.0, 0.0),
                weight_norm,
            ]
        )
        if wanted is not None:
            accepted |= ~wanted
            remembered = tf.where(wanted, remembered, self.state.value)
        self.state.assign(remembered)
        return Verdict(accepted, scale)

    def skipped_in_a_row(self) -> int:
        """Reads how many updates in a row have been left out up to now, overflows not counted."""
        return int(self.state.numpy()[1])

    def last_was_spike(self) -> bool:
        """Tells whether the last of these was left out for its size."""
        return bool(self.state.numpy()[2] > 0)

    def _weight_norm(self) -> tf.Tensor:
        norm = tf.linalg.global_norm([tf.cast(w.value, tf.float32) for w in self._weights])
        return tf.maximum(norm, self._smallest_norm)
