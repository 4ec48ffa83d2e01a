"""The weights of terms of the loss, numbers or schedules, and of rows of a batch."""

import numbers
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from aae_tf import replicas
from aae_tf.checks import check_non_negative

Schedule: Any = keras.optimizers.schedules.LearningRateSchedule
Weight: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule


def check_weight(argument: str, value: Any) -> Any:
    """Returns `value` if it is a number or a schedule, as the weight of a loss term must be.

    Args:
        argument: name of the argument, for messages.
        value: finite number, zero or more; or a `keras.optimizers.schedules.LearningRateSchedule`,
            whose values are not checked.

    Returns:
        A float, or the schedule itself.

    Raises:
        TypeError: if `value` is neither a number nor a schedule.
        ValueError: if it is negative or not finite; both name `argument`.

    Example:

    >>> check_weight("weight", 2)
    2.0
    """
    if isinstance(value, Schedule):
        return value
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(
            f"Expected `{argument}` to be a number or a "
            f"keras.optimizers.schedules.LearningRateSchedule. Received: {argument}={value!r}."
        )
    return check_non_negative(argument, float(value))


def weight_at(weight: Any, step: Any) -> Any:
    """Returns the value of a weight at one training step.

    Args:
        weight: what `check_weight` returned.
        step: integer scalar, number of training steps done; a tensor within a `tf.function`.

    Returns:
        The number itself, or a float32 scalar tensor where `weight` is a schedule.

    Example:

    >>> import keras
    >>> ramp = keras.optimizers.schedules.PolynomialDecay(0.0, 100, end_learning_rate=1.0)
    >>> weight_at(3.0, 50), float(weight_at(ramp, 50))
    (3.0, 0.5)
    """
    return tf.cast(weight(step), tf.float32) if isinstance(weight, Schedule) else weight


def serialize_weight(weight: Any) -> Any:
    """Returns a weight as a value for `get_config`: a number, or the config of a schedule."""
    return keras.saving.serialize_keras_object(weight) if isinstance(weight, Schedule) else weight


def deserialize_weight(config: Any) -> Any:
    """Returns the weight that `serialize_weight` wrote.

    Example:

    >>> import keras
    >>> ramp = keras.optimizers.schedules.CosineDecay(0.0, 100, warmup_target=1.0, warmup_steps=9)
    >>> deserialize_weight(serialize_weight(ramp)).warmup_steps
    9
    """
    return keras.saving.deserialize_keras_object(config) if isinstance(config, dict) else config


def weighted_mean(values: tf.Tensor, sample_weight: tf.Tensor | None = None) -> tf.Tensor:
    """Averages `values` over the batch, weighted by `sample_weight` if that is not None.

    Args:
        values: float32 [batch, ...].
        sample_weight: [batch], zero or more.

    Returns:
        float32 [...]; zero where all weights are zero. In a step on several replicas, the share of
        this replica in the mean over the rows of all, see `aae_tf.replicas`.
    """
    if sample_weight is None:
        return replicas.row_mean(values)
    weight = tf.cast(sample_weight, tf.float32)
    total = tf.tensordot(weight, values, axes=1)
    return replicas.weighted_share(total, tf.reduce_sum(weight))
