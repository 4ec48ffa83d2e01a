"""The running means behind the logs."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf.divergences import Divergence


def make_trackers(
    reconstructs: bool, divergences: Mapping[str, Divergence], extra_keys: Sequence[str]
) -> dict[str, keras.metrics.Mean]:
    """Makes a metric for every log key but `loss`, which Keras tracks itself.

    Args:
        reconstructs: whether there is a reconstruction loss.
        divergences: divergence of each code, by the code's name.
        extra_keys: keys of the extra terms.

    Returns:
        Metrics by key, in the order of the logs.
    """
    keys = ["reconstruction_loss", "reconstruction_gradient_norm"] if reconstructs else []
    for code, divergence in divergences.items():
        keys.append(f"{code}_gradient_norm")
        keys.append(f"{code}_divergence")
        if divergence.has_discriminator:
            keys += [f"{code}_discriminator_loss", f"{code}_discriminator_accuracy"]
            keys += [f"{code}_steepness", f"{code}_rate_factor"]
    return {key: keras.metrics.Mean(name=key) for key in (*keys, *extra_keys)}


class LossMean(keras.metrics.Mean):
    """The mean loss of the batches that were trained on; NaN while there is none.

    Keras' own is 0 then, which its callbacks would take for the best loss of all.
    """

    def result(self) -> tf.Tensor:
        """Returns the mean."""
        return tf.where(self.count.value > 0.0, super().result(), np.float32(np.nan))


class Count(keras.metrics.Sum):
    """A sum over steps that all replicas know, of which each would add its own."""

    def result(self) -> tf.Tensor:
        """Returns the sum, which within a step is that of one replica, times their number."""
        own = super().result()
        if tf.distribute.in_cross_replica_context():
            return own
        return own * tf.distribute.get_strategy().num_replicas_in_sync

    def add(self, flags: Sequence[tf.Tensor]) -> None:
        """Adds the number of flags that are set."""
        number = tf.add_n([tf.cast(flag, tf.float32) for flag in flags])
        self.update_state(number / tf.distribute.get_strategy().num_replicas_in_sync)


def kept(accepted: tf.Tensor, value: Any, weight: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Gives a value of a batch and its weight in a mean, both zero where it is not accepted."""
    value = tf.convert_to_tensor(value)
    weight = tf.ones_like(value) if weight is None else tf.cast(weight, tf.float32)
    return tf.where(accepted, value, 0.0), tf.where(accepted, weight, 0.0)
