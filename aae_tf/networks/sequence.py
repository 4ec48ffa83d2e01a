"""Encoders and decoders of windows of time series: convolutions over time, and recurrent layers."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from aae_tf.checks import check_dimension, check_sizes
from aae_tf.networks.layers import dense_layers, layer_seeds


def conv1d_encoder(
    input_shape: Sequence[int],
    filters: Sequence[int] = (32, 64),
    units: Sequence[int] = (64,),
    kernel_size: int = 5,
    activation: str = "relu",
    seed: int | None = None,
    name: str = "encoder",
    normalization: keras.layers.Normalization | None = None,
) -> keras.Model:
    """Builds an encoder of strided convolutions over time, then dense layers.

    Args:
        input_shape: (length, columns) of a window; the length divisible by 2**len(filters).
        filters: channels of each convolution, which halves the length.
        units: width of each dense layer after the convolutions; the last is the number of
            features.
        kernel_size: steps that a kernel sees.
        activation: Keras name of the hidden activation.
        seed: integer that fixes the initial weights; None draws anew.
        name: name of the network.
        normalization: adapted `keras.layers.Normalization` of the columns, axis=-1: inputs are in
            the units of its data, and standardized first.

    Returns:
        `keras.Model` from [batch, length, columns] to [batch, units[-1]].

    Raises:
        TypeError: if `normalization` is no such layer.
        ValueError: if a size is not a positive integer, the length is not divisible, or
            `normalization` is not adapted to so many columns.

    Example:

    >>> conv1d_encoder((24, 3), filters=(8, 16), units=(32,), seed=0).output_shape
    (None, 32)
    """
    filters = check_sizes("filters", filters)
    shape = _check_window("input_shape", input_shape, len(filters))
    seeds = layer_seeds(seed)
    inputs = keras.Input(shape, name="inputs")
    x = _standardize(inputs, normalization)
    for channels in filters:
        x = keras.layers.Conv1D(
            channels,
            check_dimension("kernel_size", kernel_size),
            strides=2,
            padding="same",
            activation=activation,
            kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
        )(x)
    x = keras.layers.Flatten()(x)
    x = dense_layers(x, check_sizes("units", units), activation, seeds)
    return keras.Model(inputs, x, name=name)


def conv1d_decoder(
    output_shape: Sequence[int],
    code_dim: int,
    filters: Sequence[int] = (64, 32),
    units: Sequence[int] = (64,),
    kernel_size: int = 5,
    activation: str = "relu",
    output_activation: str = "linear",
    seed: int | None = None,
    name: str = "decoder",
    normalization: keras.layers.Normalization | None = None,
) -> keras.Model:
    """Builds a decoder of dense layers, then transposed convolutions over time.

    Args:
        output_shape: (length, columns) of a window; the length divisible by 2**len(filters).
        code_dim: width of what the decoder receives.
        filters: input channels of each transposed convolution, which doubles the length.
        units: width of each dense layer before the convolutions.
        kernel_size: steps that a kernel sees.
        activation: Keras name of the hidden activation.
        output_activation: Keras name of the last activation, a layer of its own.
        seed: integer that fixes the initial weights; None draws anew.
        name: name of the network.
        normalization: the same as that of the encoder: its inverse comes last, so that outputs are
            in the units of its data.

    Returns:
        `keras.Model` from [batch, code_dim] to float32 [batch, length, columns].

    Raises:
        TypeError: if `normalization` is no such layer.
        ValueError: if a size is not a positive integer, the length is not divisible, or
            `normalization` is not adapted to so many columns.

    Example:

    >>> conv1d_decoder((24, 3), code_dim=4, filters=(16, 8), units=(32,), seed=0).output_shape
    (None, 24, 3)
    """
    filters = check_sizes("filters", filters)
    shape = _check_window("output_shape", output_shape, len(filters))
    length, columns = shape[0] // 2 ** len(filters), shape[1]
    seeds = layer_seeds(seed)
    inputs = keras.Input((check_dimension("code_dim", code_dim),), name="latents")
    x = inputs
    widths = (*check_sizes("units", units), length * filters[0])
    x = dense_layers(x, widths, activation, seeds)
    x = keras.layers.Reshape((length, filters[0]))(x)
    for index, size in enumerate((*filters[1:], columns)):
        last = index == len(filters) - 1
        x = keras.layers.Conv1DTranspose(
            size,
            check_dimension("kernel_size", kernel_size),
            strides=2,
            padding="same",
            activation=None if last else activation,
            kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
        )(x)
    x = keras.layers.Activation(output_activation, dtype="float32", name="outputs")(x)
    outputs = _standardize(x, normalization, invert=True)
    return keras.Model(inputs, outputs, name=name)


def recurrent_encoder(
    input_shape: Sequence[int],
    units: Sequence[int] = (64,),
    seed: int | None = None,
    name: str = "encoder",
    normalization: keras.layers.Normalization | None = None,
) -> keras.Model:
    """Builds an encoder of gated recurrent units, whose last state is the features.

    Args:
        input_shape: (length, columns) of a window.
        units: width of each layer; the last is the number of features.
        seed: integer that fixes the initial weights; None draws anew.
        name: name of the network.
        normalization: adapted `keras.layers.Normalization` of the columns, axis=-1: inputs are in
            the units of its data, and standardized first.

    Returns:
        `keras.Model` from [batch, length, columns] to [batch, units[-1]], features in [-1, 1].

    Raises:
        TypeError: if `normalization` is no such layer.
        ValueError: if a size is not a positive integer, or `normalization` is not adapted to so
            many columns.

    Example:

    >>> recurrent_encoder((10, 3), units=(16,), seed=0).output_shape
    (None, 16)
    """
    shape = _check_window("input_shape", input_shape)
    inputs = keras.Input(shape, name="inputs")
    x = _standardize(inputs, normalization)
    x = _recurrent_layers(x, units, layer_seeds(seed), last_state=True)
    return keras.Model(inputs, x, name=name)


def recurrent_decoder(
    output_shape: Sequence[int],
    code_dim: int,
    units: Sequence[int] = (64,),
    output_activation: str = "linear",
    seed: int | None = None,
    name: str = "decoder",
    normalization: keras.layers.Normalization | None = None,
) -> keras.Model:
    """Builds a decoder of gated recurrent units that receive the code at every step.

    Args:
        output_shape: (length, columns) of a window.
        code_dim: width of what the decoder receives.
        units: width of each layer.
        output_activation: Keras name of the last activation, a layer of its own.
        seed: integer that fixes the initial weights; None draws anew.
        name: name of the network.
        normalization: the same as that of the encoder: its inverse comes last, so that outputs are
            in the units of its data.

    Returns:
        `keras.Model` from [batch, code_dim] to float32 [batch, length, columns].

    Raises:
        TypeError: if `normalization` is no such layer.
        ValueError: if a size is not a positive integer, or `normalization` is not adapted to so
            many columns.

    Example:

    >>> recurrent_decoder((10, 3), code_dim=4, units=(16,), seed=0).output_shape
    (None, 10, 3)
    """
    length, columns = _check_window("output_shape", output_shape)
    seeds = layer_seeds(seed)
    inputs = keras.Input((check_dimension("code_dim", code_dim),), name="latents")
    x = keras.layers.RepeatVector(length)(inputs)
    x = _recurrent_layers(x, units, seeds, last_state=False)
    initializer = keras.initializers.GlorotUniform(seed=next(seeds))
    x = keras.layers.Dense(columns, kernel_initializer=initializer)(x)
    x = keras.layers.Activation(output_activation, dtype="float32", name="outputs")(x)
    outputs = _standardize(x, normalization, invert=True)
    return keras.Model(inputs, outputs, name=name)


def _recurrent_layers(
    x: keras.KerasTensor, units: Sequence[int], seeds: Iterator[int | None], last_state: bool
) -> keras.KerasTensor:
    widths = check_sizes("units", units)
    for index, width in enumerate(widths):
        x = keras.layers.GRU(
            width,
            return_sequences=not last_state or index < len(widths) - 1,
            kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
            recurrent_initializer=keras.initializers.Orthogonal(seed=next(seeds)),
        )(x)
    return x


def _standardize(x: Any, normalization: Any, invert: bool = False) -> Any:
    """Adds a layer that standardizes [batch, length, columns], or one that restores the units."""
    if normalization is None:
        return x
    if not isinstance(normalization, keras.layers.Normalization):
        raise TypeError(
            "Expected `normalization` to be a keras.layers.Normalization. "
            f"Received: normalization={normalization!r}."
        )
    columns = x.shape[-1]
    given = normalization.mean if normalization.built else normalization.input_mean
    if given is None or np.size(given) != columns:
        found = "no data yet" if given is None else f"{np.size(given)} columns"
        raise ValueError(
            f"Expected `normalization` to be adapted to data of {columns} columns, with axis=-1. "
            f"Received: {found}."
        )
    if not normalization.built:
        normalization.build(tuple(x.shape))
    mean, variance = (
        np.ravel(keras.ops.convert_to_numpy(each)).tolist()
        for each in (normalization.mean, normalization.variance)
    )
    # A layer of its own, whose numbers stand in the config: one layer would be saved twice.
    return keras.layers.Normalization(
        axis=-1,
        mean=mean,
        variance=variance,
        invert=invert,
        dtype="float32",
        name="units" if invert else "standardized",
    )(x)


def _check_window(argument: str, shape: Sequence[int], halvings: int = 0) -> tuple[int, ...]:
    """Checks (length, columns), and that the length can be halved so many times."""
    sizes = check_sizes(argument, shape)
    scale = 2**halvings
    if len(sizes) != 2 or sizes[0] % scale:
        divisible = f", the length divisible by {scale}" if scale > 1 else ""
        raise ValueError(
            f"Expected `{argument}` to be (length, columns) of a window{divisible}. "
            f"Received: {argument}={tuple(shape)}."
        )
    return sizes
