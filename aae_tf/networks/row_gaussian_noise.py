"""Gaussian noise for any number of replicas."""

import keras
import tensorflow as tf

from aae_tf import replicas
from aae_tf.networks.noise_of_rows import noise_of_rows


@keras.saving.register_keras_serializable(package="aae_tf")
class RowGaussianNoise(keras.layers.GaussianNoise):
    """A `keras.layers.GaussianNoise` that treats a row alike on any number of replicas.

    Keras' own adds the same noise on each replica of a distributed training.

    Args:
        *args: those of `keras.layers.GaussianNoise`.
        **kwargs: those of `keras.layers.GaussianNoise`.
    """

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Adds the noise in training."""
        if training and replicas.are_several():
            return inputs + noise_of_rows(super().call, inputs, 0.0)
        return super().call(inputs, training=training)
