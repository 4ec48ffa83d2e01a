"""Noise that a Keras layer draws, the same for a row of a batch on any number of replicas."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from aae_tf import replicas


def noise_of_rows(call: Callable[..., tf.Tensor], inputs: tf.Tensor, value: float) -> tf.Tensor:
    """Gives what a noise layer makes of inputs that are `value` everywhere.

    Args:
        call: the layer's, of inputs and `training`; its generator is the same on all replicas.
        inputs: [batch, ...], for the shape and the dtype.
        value: what shows the noise: 0 where it is added, 1 where it multiplies.

    Returns:
        Tensor like `inputs`.
    """
    shape = tf.shape(inputs)

    def draw(count: Any) -> tf.Tensor:
        of_all = tf.concat([[count], shape[1:]], axis=0)
        return call(tf.fill(of_all, tf.cast(value, inputs.dtype)), training=True)

    return tf.ensure_shape(replicas.draw_rows(shape[0], draw), inputs.shape)
