"""Dropout for any number of replicas."""

import keras
import tensorflow as tf

from aae_tf import replicas
from aae_tf.networks.noise_of_rows import noise_of_rows


@keras.saving.register_keras_serializable(package="aae_tf")
class RowDropout(keras.layers.Dropout):
    """A `keras.layers.Dropout` that treats a row alike on any number of replicas.

    Keras' own has the same mask on each replica of a distributed training.

    Args:
        *args: those of `keras.layers.Dropout`.
        **kwargs: those of `keras.layers.Dropout`.
    """

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Sets a share of the inputs to zero in training, and scales up the others."""
        if training and replicas.are_several():
            return inputs * noise_of_rows(super().call, inputs, 1.0)
        return super().call(inputs, training=training)
