"""Convolutional encoders and decoders of images whose sides are divisible by powers of two."""

from collections.abc import Sequence

import keras

from aae_tf.checks import check_dimension, check_non_negative, check_rate, check_sizes
from aae_tf.networks.layers import RowDropout, dense_layers, gaussian_noise, layer_seeds


def conv_encoder(
    input_shape: Sequence[int],
    filters: Sequence[int] = (32, 64),
    units: Sequence[int] = (256,),
    kernel_size: int = 4,
    activation: str = "relu",
    batch_normalization: bool = False,
    input_noise: float = 0.0,
    dropout: float = 0.0,
    augmentation: Sequence[keras.layers.Layer] = (),
    seed: int | None = None,
    name: str = "encoder",
) -> keras.Model:
    """Builds an encoder of strided convolutions, then dense layers, from images to features.

    Args:
        input_shape: (height, width, channels); both sides divisible by 2**len(filters).
        filters: channels of each convolution, which halves the height and the width.
        units: width of each dense layer after the convolutions; the last is the number of
            features.
        kernel_size: side of the kernels, pixels.
        activation: Keras name of the hidden activation.
        batch_normalization: whether each convolution is normalised before its activation.
        input_noise: standard deviation of the Gaussian noise added to the inputs in training.
        dropout: share of the inputs set to zero in training, in [0, 1).
        augmentation: layers that change images in training before any noise, such as
            `keras.layers.RandomTranslation`; give them seeds. The decoder still reconstructs the
            images as they were.
        seed: integer that fixes the initial weights and the noise; None draws anew.
        name: name of the network.

    Returns:
        `keras.Model` from [batch, *input_shape] to [batch, units[-1]].

    Raises:
        ValueError: if a size is not a positive integer, a side is not divisible, or a rate is out
            of its range.

    Example:

    >>> conv_encoder((32, 32, 3), filters=(8, 16), units=(32,), seed=0).output_shape
    (None, 32)
    """
    shape, filters = _check_image("input_shape", input_shape, filters)
    seeds = layer_seeds(seed)
    inputs = keras.Input(shape, name="inputs")
    x = inputs
    for layer in augmentation:
        x = layer(x)
    if check_non_negative("input_noise", input_noise):
        x = gaussian_noise(x, input_noise, next(seeds))
    if check_rate("dropout", dropout):
        x = RowDropout(dropout, seed=next(seeds))(x)
    for channels in filters:
        x = keras.layers.Conv2D(
            channels,
            check_dimension("kernel_size", kernel_size),
            strides=2,
            padding="same",
            use_bias=not batch_normalization,
            kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
        )(x)
        if batch_normalization:
            x = keras.layers.BatchNormalization()(x)
        x = keras.layers.Activation(activation)(x)
    x = keras.layers.Flatten()(x)
    x = dense_layers(x, check_sizes("units", units), activation, seeds)
    return keras.Model(inputs, x, name=name)


def conv_decoder(
    output_shape: Sequence[int],
    code_dim: int,
    filters: Sequence[int] = (64, 32),
    units: Sequence[int] = (256,),
    kernel_size: int = 4,
    activation: str = "relu",
    output_activation: str = "sigmoid",
    batch_normalization: bool = False,
    input_noise: float = 0.0,
    seed: int | None = None,
    name: str = "decoder",
) -> keras.Model:
    """Builds a decoder of dense layers, then transposed convolutions, from codes to images.

    Args:
        output_shape: (height, width, channels); both sides divisible by 2**len(filters).
        code_dim: width of what the decoder receives.
        filters: input channels of each transposed convolution, which doubles the sides.
        units: width of each dense layer before the convolutions.
        kernel_size: side of the kernels, pixels.
        activation: Keras name of the hidden activation.
        output_activation: Keras name of the last activation, a layer of its own.
        batch_normalization: whether each hidden convolution is normalised before its activation.
        input_noise: standard deviation of the Gaussian noise added to the codes in training, in
            their own units.
        seed: integer that fixes the initial weights and the noise; None draws anew.
        name: name of the network.

    Returns:
        `keras.Model` from [batch, code_dim] to float32 [batch, *output_shape].

    Raises:
        ValueError: if a size is not a positive integer, or a side is not divisible.

    Example:

    >>> conv_decoder((32, 32, 3), code_dim=4, filters=(16, 8), units=(32,), seed=0).output_shape
    (None, 32, 32, 3)
    """
    shape, filters = _check_image("output_shape", output_shape, filters)
    height, width, channels = shape
    scale = 2 ** len(filters)
    seeds = layer_seeds(seed)
    inputs = keras.Input((check_dimension("code_dim", code_dim),), name="latents")
    x = inputs
    if check_non_negative("input_noise", input_noise):
        x = gaussian_noise(x, input_noise, next(seeds))
    grid = (height // scale, width // scale, filters[0])
    widths = (*check_sizes("units", units), grid[0] * grid[1] * grid[2])
    x = dense_layers(x, widths, activation, seeds)
    x = keras.layers.Reshape(grid)(x)
    # The last convolution outputs the image and has neither normalisation nor activation.
    for index, size in enumerate((*filters[1:], channels)):
        last = index == len(filters) - 1
        x = keras.layers.Conv2DTranspose(
            size,
            check_dimension("kernel_size", kernel_size),
            strides=2,
            padding="same",
            use_bias=last or not batch_normalization,
            kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
        )(x)
        if not last:
            if batch_normalization:
                x = keras.layers.BatchNormalization()(x)
            x = keras.layers.Activation(activation)(x)
    outputs = keras.layers.Activation(output_activation, dtype="float32", name="outputs")(x)
    return keras.Model(inputs, outputs, name=name)


def _check_image(
    argument: str, shape: Sequence[int], filters: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    sizes = check_sizes(argument, shape)
    channels = check_sizes("filters", filters)
    scale = 2 ** len(channels)
    if len(sizes) != 3 or sizes[0] % scale or sizes[1] % scale:
        raise ValueError(
            f"Expected `{argument}` to be (height, width, channels) with both sides divisible by "
            f"{scale}, one halving per entry of `filters`. "
            f"Received: {argument}={tuple(shape)}, filters={channels}."
        )
    return sizes, channels
