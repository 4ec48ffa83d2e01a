"""The guard: which updates are rejected, its state, and the end of a training that is stuck."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from aae_tf import replicas
from aae_tf.checks import check_dimension, check_number, check_positive

# The largest norm of the past decays by half in 693 steps.
_DECAY = 0.999
# Weights that start at zero may move all the same: a mean square of 1e-6 is assumed, as in Brock et
# al. 2021.
_SMALLEST_WEIGHT = 1e-3

_ADVICE = {
    "optimizer": (
        "a lower learning rate of `optimizer`, its `global_clipnorm`, and inputs of one range"
    ),
    "discriminator_optimizer": (
        "a lower learning rate of `discriminator_optimizer`, and `gradient_penalty`, "
        "`spectral_normalization` or `input_noise` of the code's `Adversarial`"
    ),
    "regularization_optimizer": (
        "a lower learning rate of `regularization_optimizer`, a lower `weight` of the code's "
        "divergence, and compile(balance='adaptive')"
    ),
}
# Rejected batches beyond this share of all are warned of after `fit`.
_LARGEST_SHARE = 0.01
_BEYOND_FLOAT16 = "; or the precision mixed_bfloat16, whose range is that of float32"


@keras.saving.register_keras_serializable(package="aae_tf")
class Guard:
    """Rejects, within the graph, the updates that would end a training.

    Before an optimizer's update, the global norm of its gradients is compared:

    - a norm or a learning rate that is not finite: the update is rejected;
    - a norm above `spike_factor` times the largest of the last thousand steps or so: a batch unlike
      all others; the update is rejected. Each further such norm in a row doubles the limit, so
      that gradients which have grown for good are accepted after some steps;
    - a step of `keras.optimizers.SGD` that would go too far, learning_rate * norm / (1 - momentum)
      above `max_step` times the norm of the optimizer's weights when training began: the gradient
      is scaled down to that length. Other optimizers divide by the gradients' size themselves.

    When one update of a batch is rejected, those that come after it in the same step are not made.
    Moving averages and the means of the logs are restored as well. A training in which nothing is
    rejected or shortened is the training without a guard.

    Args:
        spike_factor: greater than 1; None rejects what is not finite alone. The default rejected
            nothing in trainings on MNIST at rates that suit them.
        max_step: positive; None does not limit steps. Trainings at the rates of the paper stayed
            below 0.1.
        max_consecutive_skips: how many updates of one optimizer in a row may be rejected before
            training stops with a `FloatingPointError` that says what to change; None never stops.
            Those that the scale of a float16 loss made too large do not count.

    Logs:
        `skipped_updates`: number of updates rejected in this epoch, of all optimizers.
        `shortened_updates`: number of steps made shorter, where `max_step` limits an SGD.

    Raises:
        TypeError: if an argument is no number.
        ValueError: if it is out of its range.

    Example:

    >>> Guard(max_consecutive_skips=10).spike_factor
    30.0

    References:
        You et al. 2017 (LARS) and Brock et al. 2021, section 4: the ratio of step and weights as
        a measure of what a step changes. Differs: it bounds the step of all weights of an optimizer
        together, and does not touch steps below the bound.
    """

    def __init__(
        self,
        spike_factor: float | None = 30.0,
        max_step: float | None = 0.2,
        max_consecutive_skips: int | None = 100,
    ) -> None:
        if spike_factor is not None and check_number("spike_factor", spike_factor) <= 1.0:
            raise ValueError(
                "Expected `spike_factor` to be greater than 1, or None. "
                f"Received: spike_factor={spike_factor!r}."
            )
        self.spike_factor = spike_factor
        self.max_step = None if max_step is None else check_positive("max_step", max_step)
        if max_consecutive_skips is not None:
            max_consecutive_skips = check_dimension("max_consecutive_skips", max_consecutive_skips)
        self.max_consecutive_skips = max_consecutive_skips

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "spike_factor": self.spike_factor,
            "max_step": self.max_step,
            "max_consecutive_skips": self.max_consecutive_skips,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Guard":
        """Builds the guard from what `get_config` returned."""
        # Its name in files of version 0.1.
        renamed = {"max_skipped_updates": "max_consecutive_skips"}
        return cls(**{renamed.get(name, name): value for name, value in config.items()})

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


class Decision(NamedTuple):
    """The guard's decision on one update.

    Attributes:
        accepted: bool scalar.
        scale: float32 scalar in (0, 1], the factor of its gradients; None where steps have no
            limit.
    """

    accepted: tf.Tensor
    scale: tf.Tensor | None


class GuardState:
    """The gradient norms that one optimizer has seen, and the decision on its next update.

    Args:
        guard: the rules.
        weights: the Keras variables that the optimizer moves.
        limits_steps: whether the length of a step is known from its gradient, and limited.
        learning_rate: gives the learning rate of the next update, a scalar.

    Attributes:
        state: float32 [4]: the largest norm of the recent past; how many updates in a row were
            rejected, overflows not counted; how many of these for a spike; and the norm of the
            weights when training began.
    """

    def __init__(
        self,
        guard: Guard,
        weights: list[keras.Variable],
        limits_steps: bool,
        learning_rate: Callable[[], tf.Tensor],
    ) -> None:
        self.guard = guard
        self.learning_rate = learning_rate
        self.limits_steps = limits_steps and guard.max_step is not None
        self.state = replicas.state_variable(np.zeros(4), "guard")
        self._weights = weights
        size = sum(int(np.prod(weight.shape)) for weight in weights)
        self._smallest_norm = np.float32(_SMALLEST_WEIGHT * np.sqrt(size))

    def decide(
        self,
        norm: tf.Tensor,
        step_size: tf.Tensor,
        allowed: tf.Tensor | None = None,
        overflows: tf.Tensor | bool = False,
    ) -> Decision:
        """Decides on an update by the norm of its gradient, and adds the norm to the state.

        Args:
            norm: float32 scalar.
            step_size: float32 scalar, the length of the step of a gradient of norm one.
            allowed: bool scalar; where false, the update is not made in any case: it counts as
                accepted, and the state stays as it is.
            overflows: bool scalar; where true, the scale of the loss is the cause and is going to
                be lowered: the update is rejected, and not counted among those in a row.

        Returns:
            `Decision`.
        """
        largest, skipped, spikes, weight_norm = tf.unstack(self.state.value)
        rate_is_finite = tf.math.is_finite(tf.cast(self.learning_rate(), tf.float32))
        is_finite = tf.math.is_finite(norm) & rate_is_finite
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
        state = tf.stack(
            [
                tf.where(accepted, tf.maximum(norm, _DECAY * largest), largest),
                tf.where(accepted, 0.0, skipped + tf.where(overflows, 0.0, 1.0)),
                tf.where(is_spike, spikes + 1.0, 0.0),
                weight_norm,
            ]
        )
        if allowed is not None:
            accepted |= ~allowed
            state = tf.where(allowed, state, self.state.value)
        self.state.assign(state)
        return Decision(accepted, scale)

    def consecutive_skips(self) -> int:
        """Reads how many updates in a row have been rejected up to now, overflows not counted."""
        return int(self.state.numpy()[1])

    def last_was_spike(self) -> bool:
        """Tells whether the last of these was rejected for its size."""
        return bool(self.state.numpy()[2] > 0)

    def _weight_norm(self) -> tf.Tensor:
        norm = tf.linalg.global_norm([tf.cast(w.value, tf.float32) for w in self._weights])
        return tf.maximum(norm, self._smallest_norm)


class Snapshot:
    """Moving averages and the like before a step, restored if the step is rejected.

    Args:
        variables: those that no gradient moves. The floating ones are restored; the states of
            random generators go on with every batch.
    """

    def __init__(self, variables: Iterable[keras.Variable]) -> None:
        self._variables = [v for v in variables if tf.as_dtype(v.dtype).is_floating]
        self._values = [tf.identity(variable.value) for variable in self._variables]

    def restore_unless(self, accepted: tf.Tensor) -> None:
        """Restores the values unless the step was accepted, a bool scalar."""
        for variable, value in zip(self._variables, self._values, strict=True):
            variable.assign(tf.where(accepted, variable.value, value))


class SkipMonitor:
    """Stops training when an optimizer has skipped too many updates in a row, and says why.

    The numbers are read when the limit can have been reached, and not at every batch, since reading
    waits for the device.

    Args:
        states: those of the guard, by the argument of `compile` that gave the optimizer.
        limit: how many updates in a row are too many; None never stops.
        scaled: which of these optimizers scale a float16 loss.
        discriminators: names of the codes that have a discriminator.
    """

    def __init__(
        self,
        states: Mapping[str, GuardState],
        limit: int | None,
        scaled: Iterable[str],
        discriminators: Sequence[str],
    ) -> None:
        self._states = dict(states)
        self._limit = limit
        self._scaled = set(scaled)
        self._discriminators = list(discriminators)
        self._countdown = limit or 0
        self._non_finite: keras.Variable | None = None
        self._keys: list[str] = []
        # How many batches were rejected, for another cause than an overflow; of the first whose
        # inputs were not finite: 1, the row, the number of the value in the row, and the value.
        self._rejected = replicas.state_variable(np.zeros(5), "rejected", per_replica=True)
        self._row_shape: tuple[int, ...] = ()
        self._replicas = 1

    def record(
        self,
        accepted: tf.Tensor,
        overflows: tf.Tensor,
        inputs: tf.Tensor,
        values: Mapping[str, tf.Tensor],
        in_branch: bool,
    ) -> None:
        """Records what of a batch is not finite, if it is rejected.

        Args:
            accepted: bool scalar.
            overflows: bool scalar, whether the scale of a loss is the cause.
            inputs: float [batch, ...].
            values: what was measured, by log key.
            in_branch: whether to look at them in a branch of the graph, since a dozen small
                operations are worth one.
        """
        self._row_shape = tuple(inputs.shape[1:])
        self._replicas = replicas.replica_count()
        if self._non_finite is None or not values.keys() <= set(self._keys):
            # One more key, where labels came beside the inputs for the first time.
            self._keys = list(dict.fromkeys((*self._keys, *values)))
            self._non_finite = replicas.make_variables(
                lambda: replicas.state_variable(
                    np.zeros(len(self._keys)), "non_finite", per_replica=True
                )
            )
        before = self._non_finite.value, self._rejected.value

        def look() -> tuple[tf.Tensor, tf.Tensor]:
            flags = [
                ~tf.reduce_all(tf.math.is_finite(values[key])) if key in values else False
                for key in self._keys
            ]
            count, *place = tf.unstack(before[1])
            found = _locate_non_finite(inputs)
            place = [tf.where(place[0] > 0.0, *pair) for pair in zip(place, found, strict=True)]
            count += tf.where(overflows, 0.0, 1.0)
            return tf.cast(tf.stack(flags), tf.float32), tf.stack([count, *place])

        if in_branch:
            after = tf.cond(accepted, lambda: tuple(map(tf.identity, before)), look)
        else:
            pairs = zip(before, look(), strict=True)
            after = tuple(tf.where(accepted, *pair) for pair in pairs)
        self._non_finite.assign(after[0])
        self._rejected.assign(after[1])

    @property
    def rejected(self) -> int:
        """How many batches were rejected since `forget`, those of a float16 overflow left out."""
        # What all replicas count is the same.
        return round(float(self._rejected.numpy()[0]) / self._replicas)

    def describe_inputs(self) -> str | None:
        """Says what of the inputs was not finite in the first batch that was rejected for it."""
        _, found, row, number, value = self._rejected.numpy()
        if not found:
            return None
        if self._replicas > 1:
            return "the inputs hold values that are not finite"
        index = [int(i) for i in np.unravel_index(int(number), self._row_shape)]
        where = f"column {index[0]}" if len(index) == 1 else f"index {index}"
        return f"the inputs hold {value}: row {int(row)} of the batch, {where}"

    def forget(self) -> None:
        """Forgets what was recorded, for a training that begins."""
        self._rejected.assign(np.zeros(5, np.float32))

    def watch(self, function: Callable[[Any], Any], steps: int) -> Callable[[Any], Any]:
        """Wraps a training function that makes up to `steps` steps, so that it raises in time."""
        if self._limit is None:
            return function

        def watched(iterator: Any) -> Any:
            logs = function(iterator)
            self._countdown -= steps
            if self._countdown <= 0:
                self._check()
            return logs

        return watched

    def reset(self) -> None:
        """Starts the countdown to the next reading anew, for a training that begins again."""
        self._countdown = self._limit or 0

    def _check(self) -> None:
        skips = {name: state.consecutive_skips() for name, state in self._states.items()}
        worst = max(skips, key=lambda name: skips[name])
        if self._limit is not None and skips[worst] >= self._limit:
            raise FloatingPointError(self._message(worst, skips[worst]))
        self._countdown = (self._limit or 0) - skips[worst]

    def _message(self, argument: str, skips: int) -> str:
        spike = self._states[argument].last_was_spike()
        reason = "far larger than any before" if spike else "not finite"
        further = _BEYOND_FLOAT16 if argument in self._scaled and not spike else ""
        counts = () if self._non_finite is None else self._non_finite.numpy()
        non_finite = [key for key, count in zip(self._keys, counts, strict=True) if count]
        terms = f"Not finite in the last of these batches: {', '.join(non_finite)}. "
        if not non_finite:
            terms = "All terms of the loss were finite in the last of these batches. "
        inputs = self.describe_inputs()
        advice = f"Try {_ADVICE[argument]}{further}."
        rate = float(self._states[argument].learning_rate().numpy())
        if not np.isfinite(rate):
            advice = f"The learning rate of `{argument}` is {rate}: set it to a finite one."
        elif inputs is not None:
            advice = f"In the first of them {inputs}: leave such rows out, or fill them in."
        moved = "the encoder's side"
        if argument == "discriminator_optimizer":
            moved = f"the discriminator of {' and '.join(map(repr, self._discriminators))}"
        return (
            f"Expected gradients of `{argument}`, which moves {moved}, to be usable within "
            f"{self._limit} updates. Received: {skips} in a row that were {reason}, and were "
            f"skipped; the weights are as before. {terms}"
            f"{advice}"
        )


class SkipReport(keras.callbacks.Callback):
    """Warns of batches that the guard rejected: at once of inputs that are not finite, and last.

    Args:
        monitor: has recorded them.
    """

    # Batches are counted, and their logs are not waited for.
    async_safe = True

    def __init__(self, monitor: SkipMonitor) -> None:
        super().__init__()
        self._monitor = monitor
        self._epoch_batches = 0
        self._batches = 0
        self._said: str | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Starts counting."""
        self._monitor.forget()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the batches of this epoch."""
        self._epoch_batches = batch + 1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Names inputs that were not finite, the first time that there were any."""
        self._batches, self._epoch_batches = self._batches + self._epoch_batches, 0
        if self._said is None and self._monitor.rejected:
            self._said = self._monitor.describe_inputs()
            if self._said is not None:
                message = f"An update was skipped in epoch {epoch + 1}, since {self._said}."
                warnings.warn(message, UserWarning, stacklevel=2)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Says how many batches were rejected, if they are too many to be chance."""
        rejected = self._monitor.rejected
        if rejected > _LARGEST_SHARE * self._batches:
            reason = self._said or (
                "their gradients were not finite, or far larger than any before: try a lower "
                "learning rate, or `global_clipnorm`"
            )
            warnings.warn(
                f"The guard skipped {rejected} of {self._batches} batches, since {reason}.",
                UserWarning,
                stacklevel=2,
            )


def _locate_non_finite(inputs: tf.Tensor) -> list[tf.Tensor]:
    """Gives 1, row, number in the row and value of the first one that is not finite, or zeros."""
    size = tf.shape(inputs)[0]
    rows = tf.reshape(tf.cast(inputs, tf.float32), [size, int(np.prod(inputs.shape[1:]))])
    # One row of zeros more, since a replica may have no row at all.
    rows = tf.pad(rows, [[0, 1], [0, 0]])
    bad = ~tf.math.is_finite(rows)
    row = tf.argmax(tf.reduce_any(bad, axis=1))
    number = tf.argmax(bad[row])
    found = tf.cast(bad[row, number], tf.float32)
    place = [tf.cast(each, tf.float32) for each in (row, number)]
    return [found, *(found * each for each in place), tf.where(found > 0.0, rows[row, number], 0.0)]
