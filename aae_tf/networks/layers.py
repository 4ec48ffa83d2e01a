"""Noise and dropout layers for any number of replicas; dense layers and the seeds of a network."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf import replicas
from aae_tf.checks import check_integer


def layer_seeds(seed: int | None) -> Iterator[int | None]:
    """Yields independent seeds, derived from a single `seed`.

    Args:
        seed: non-negative integer, or None for unseeded layers.

    Yields:
        Integers in [0, 2**31); None each time when `seed` is None.

    Raises:
        TypeError: if `seed` is no integer.
        ValueError: if it is negative.
    """
    if seed is not None:
        check_integer("seed", seed)
    sequence = None if seed is None else np.random.SeedSequence(seed)
    while True:
        if sequence is None:
            yield None
        else:
            yield int(sequence.spawn(1)[0].generate_state(1)[0] >> 1)


def dense_layers(
    x: keras.KerasTensor,
    units: Sequence[int],
    activation: str,
    seeds: Iterator[int | None],
) -> keras.KerasTensor:
    """Applies a dense layer of each width of `units`, weights drawn by the next seeds."""
    for width in units:
        initializer = keras.initializers.GlorotUniform(seed=next(seeds))
        x = keras.layers.Dense(width, activation=activation, kernel_initializer=initializer)(x)
    return x


def noise_of_rows(call: Callable[..., tf.Tensor], inputs: tf.Tensor, value: float) -> tf.Tensor:
    """Returns the output of a noise layer for inputs that are `value` everywhere.

    Args:
        call: the layer's `call`; its random generator is the same on all replicas.
        inputs: [batch, ...], for the shape and the dtype.
        value: 0 where the noise is added, 1 where it multiplies.

    Returns:
        Tensor like `inputs`.
    """
    shape = tf.shape(inputs)

    def draw(count: Any) -> tf.Tensor:
        shape_of_all = tf.concat([[count], shape[1:]], axis=0)
        return call(tf.fill(shape_of_all, tf.cast(value, inputs.dtype)), training=True)

    return tf.ensure_shape(replicas.draw_rows(shape[0], draw), inputs.shape)


@keras.saving.register_keras_serializable(package="aae_tf")
class RowDropout(keras.layers.Dropout):
    """A `keras.layers.Dropout` whose mask of a row does not depend on the number of replicas.

    `keras.layers.Dropout` has the same mask on each replica of a distributed training.

    Args:
        *args: those of `keras.layers.Dropout`.
        **kwargs: those of `keras.layers.Dropout`.
    """

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Sets a share of the inputs to zero in training, and scales up the others."""
        if training and replicas.are_several():
            return inputs * noise_of_rows(super().call, inputs, 1.0)
        return super().call(inputs, training=training)


@keras.saving.register_keras_serializable(package="aae_tf")
class RowGaussianNoise(keras.layers.GaussianNoise):
    """A `keras.layers.GaussianNoise` whose noise does not depend on the number of replicas.

    `keras.layers.GaussianNoise` adds the same noise on each replica of a distributed training.

    Args:
        *args: those of `keras.layers.GaussianNoise`.
        **kwargs: those of `keras.layers.GaussianNoise`.
    """

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Adds noise to the inputs in training."""
        if training and replicas.are_several():
            return inputs + noise_of_rows(super().call, inputs, 0.0)
        return super().call(inputs, training=training)


def gaussian_noise(x: keras.KerasTensor, stddev: float, seed: int | None) -> keras.KerasTensor:
    """Adds Gaussian noise to a symbolic tensor in training.

    Args:
        x: float [batch, ...].
        stddev: standard deviation of the noise, positive, in the units of `x`.
        seed: integer that fixes the noise; None draws anew.

    Returns:
        Symbolic tensor like `x`.
    """
    # Keras accepts standard deviations up to 1, and codes of a wide prior may need larger ones: the
    # codes are then divided by it, and multiplied after the noise.
    unit = max(1.0, stddev)
    noise = RowGaussianNoise(stddev / unit, seed=seed)
    if unit == 1.0:
        return noise(x)
    return keras.layers.Rescaling(unit)(noise(keras.layers.Rescaling(1.0 / unit)(x)))
