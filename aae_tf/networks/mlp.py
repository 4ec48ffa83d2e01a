"""Fully connected encoders, decoders and discriminators; the defaults are those of the paper."""

import math
from collections.abc import Iterator, Sequence

import keras
import numpy as np

from aae_tf.checks import check_dimension, check_non_negative, check_rate, check_sizes
from aae_tf.networks.layers import RowDropout, gaussian_noise, layer_seeds


def mlp_encoder(
    input_shape: Sequence[int],
    units: Sequence[int] = (1000, 1000),
    activation: str = "relu",
    batch_normalization: bool = False,
    input_noise: float = 0.0,
    dropout: float = 0.0,
    augmentation: Sequence[keras.layers.Layer] = (),
    seed: int | None = None,
    name: str = "encoder",
) -> keras.Model:
    """Builds an encoder from inputs of any shape to features; the model adds the posterior.

    Args:
        input_shape: shape of one example, without the batch: `(28, 28, 1)`, `(64,)`.
        units: width of each hidden layer; the last one is the number of features.
        activation: Keras name of the hidden activation.
        batch_normalization: whether each hidden layer is normalised over the batch before its
            activation.
        input_noise: standard deviation of the Gaussian noise added to the inputs in training.
        dropout: share of the inputs set to zero in training, in [0, 1).
        augmentation: layers that change inputs in training before any noise, such as
            `keras.layers.RandomTranslation` for images; give them seeds. The decoder still
            reconstructs the inputs as they were.
        seed: integer that fixes the initial weights and the noise; None draws anew.
        name: name of the network.

    Returns:
        `keras.Model` from [batch, *input_shape] to [batch, units[-1]].

    Raises:
        ValueError: if a size is not a positive integer, or a rate is out of its range.

    Example:

    >>> encoder = mlp_encoder((28, 28, 1), units=(64, 32), seed=0)
    >>> encoder.output_shape
    (None, 32)

    References:
        Makhzani et al. 2016, appendix A: "2 layers of 1000 hidden units with ReLU".
    """
    shape = check_sizes("input_shape", input_shape)
    units = check_sizes("units", units)
    seeds = layer_seeds(seed)
    inputs = keras.Input(shape, name="inputs")
    x = inputs
    for layer in augmentation:
        x = layer(x)
    x = keras.layers.Flatten()(x) if len(shape) > 1 else x
    if check_non_negative("input_noise", input_noise):
        x = gaussian_noise(x, input_noise, next(seeds))
    if check_rate("dropout", dropout):
        x = RowDropout(dropout, seed=next(seeds))(x)
    x = _hidden(x, units, activation, batch_normalization, seeds)
    return keras.Model(inputs, x, name=name)


def mlp_decoder(
    output_shape: Sequence[int],
    code_dim: int,
    units: Sequence[int] = (1000, 1000),
    activation: str = "relu",
    output_activation: str = "sigmoid",
    batch_normalization: bool = False,
    input_noise: float = 0.0,
    seed: int | None = None,
    name: str = "decoder",
) -> keras.Model:
    """Builds a decoder from codes to outputs of any shape.

    Args:
        output_shape: shape of one output, without the batch.
        code_dim: width of what the decoder receives: the latents, and the class probabilities
            beside them where the model feeds both.
        units: width of each hidden layer.
        activation: Keras name of the hidden activation.
        output_activation: Keras name of the last activation: "sigmoid" for values in [0, 1],
            "linear" for unbounded ones. It is a layer of its own, so that a Bernoulli
            reconstruction loss can be computed from the logits before it.
        batch_normalization: whether each hidden layer is normalised before its activation.
        input_noise: standard deviation of the Gaussian noise added to the codes in training, in
            their own units. The decoder then learns to decode codes between those of the data: a
            tenth of the prior's standard deviation raised the likelihood of samples.
        seed: integer that fixes the initial weights and the noise; None draws anew.
        name: name of the network.

    Returns:
        `keras.Model` from [batch, code_dim] to float32 [batch, *output_shape].

    Raises:
        ValueError: if a size is not a positive integer.

    Example:

    >>> decoder = mlp_decoder((28, 28, 1), code_dim=8, units=(32, 64), seed=0)
    >>> decoder.output_shape
    (None, 28, 28, 1)

    References:
        Makhzani et al. 2016, appendix A.
    """
    shape = check_sizes("output_shape", output_shape)
    units = check_sizes("units", units)
    seeds = layer_seeds(seed)
    inputs = keras.Input((check_dimension("code_dim", code_dim),), name="latents")
    x = inputs
    if check_non_negative("input_noise", input_noise):
        x = gaussian_noise(x, input_noise, next(seeds))
    x = _hidden(x, units, activation, batch_normalization, seeds)
    x = _dense(math.prod(shape), seeds)(x)
    if len(shape) > 1:
        x = keras.layers.Reshape(shape)(x)
    outputs = keras.layers.Activation(output_activation, dtype="float32", name="outputs")(x)
    return keras.Model(inputs, outputs, name=name)


def mlp_discriminator(
    code_dim: int,
    units: Sequence[int] = (1000, 1000),
    activation: str = "relu",
    seed: int | None = None,
    name: str = "discriminator",
) -> keras.Model:
    """Builds a discriminator from codes to one logit: large for the prior, small for the encoder.

    There is no option for batch normalisation: in a batch of prior samples and codes together, it
    would leak the origin of one row to the others.

    Args:
        code_dim: width of the code.
        units: width of each hidden layer.
        activation: Keras name of the hidden activation.
        seed: integer that fixes the initial weights; None draws anew.
        name: name of the network.

    Returns:
        `keras.Model` from [batch, code_dim] to float32 logits [batch, 1].

    Raises:
        ValueError: if a size is not a positive integer.

    Example:

    >>> mlp_discriminator(2, units=(16,), seed=0).output_shape
    (None, 1)

    References:
        Makhzani et al. 2016, appendix A.
    """
    seeds = layer_seeds(seed)
    inputs = keras.Input((check_dimension("code_dim", code_dim),), name="code")
    x = _hidden(inputs, check_sizes("units", units), activation, False, seeds)
    logits = _dense(1, seeds, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name=name)


def _dense(units: int, seeds: Iterator[int | None], **kwargs: object) -> keras.layers.Dense:
    initializer = keras.initializers.GlorotUniform(seed=next(seeds))
    return keras.layers.Dense(units, kernel_initializer=initializer, **kwargs)


def _hidden(
    x: keras.KerasTensor,
    units: Sequence[int],
    activation: str,
    batch_normalization: bool,
    seeds: Iterator[int | None],
) -> keras.KerasTensor:
    for width in units:
        if batch_normalization:
            x = _dense(width, seeds, use_bias=False)(x)
            x = keras.layers.BatchNormalization()(x)
            x = keras.layers.Activation(activation)(x)
        else:
            x = _dense(width, seeds, activation=activation)(x)
    return x


# Power iterations for the initial kernels; each training step adds one.
_POWER_ITERATIONS = 20


def spectral_discriminator(code_dim: int, units: Sequence[int], seed: int) -> keras.Model:
    """Builds `mlp_discriminator` with kernels whose largest singular value is one.

    Every layer is a `keras.layers.SpectralNormalization`, which divides its kernel by the largest
    singular value at each training step. It computes in float32 under any policy, since it assigns
    the kernel at each step, which would be rounded each time in float16.

    Args:
        code_dim: width of the discriminator's input.
        units: width of each hidden layer.
        seed: non-negative integer that fixes the initial weights.

    Returns:
        `keras.Model` from [batch, code_dim] to float32 logits [batch, 1].

    Example:

    >>> discriminator = spectral_discriminator(2, units=(16,), seed=0)
    >>> discriminator.output_shape
    (None, 1)

    References:
        Miyato et al. 2018, *Spectral Normalization for Generative Adversarial Networks*, algorithm
        1. Differs: Keras assigns the divided kernel, which the optimizer then updates.
    """
    inputs = x = keras.Input((code_dim,), name="code")
    for layer in mlp_discriminator(code_dim, units, seed=seed).layers:
        if not isinstance(layer, keras.layers.Dense):
            continue
        dense = keras.layers.Dense.from_config({**layer.get_config(), "dtype": "float32"})
        spectral = keras.layers.SpectralNormalization(dense, dtype="float32", name=dense.name)
        x = spectral(x)
        # Keras would start the power iteration from its global random generator.
        spectral.vector_u.assign(_leading_vector(dense.kernel.numpy(), seed)[np.newaxis])
    return keras.Model(inputs, x, name="discriminator")


def is_spectral(network: keras.Model) -> bool:
    """Tells whether any layer of a network is spectrally normalised."""
    return any(isinstance(x, keras.layers.SpectralNormalization) for x in network.layers)


def _leading_vector(kernel: np.ndarray, seed: int) -> np.ndarray:
    """Approximates the right singular vector of the largest singular value."""
    vector: np.ndarray = np.random.default_rng(seed).standard_normal(kernel.shape[1:])
    for _ in range(_POWER_ITERATIONS):
        vector = kernel.T @ (kernel @ vector)
        vector /= np.linalg.norm(vector)
    return vector
