"""A discriminator that cannot be steep."""

import keras
import numpy as np

from aae_tf import networks

# Power iterations before training starts; each training step adds one.
_ITERATIONS = 20


def spectral_discriminator(code_dim: int, seed: int) -> keras.Model:
    """Builds the default discriminator with kernels of largest singular value one.

    Every layer is a `keras.layers.SpectralNormalization`, which divides its kernel by the largest
    singular value at each training step. It computes in float32 whatever the policy: it writes the
    kernel, which float16 would round anew at each step.

    Args:
        code_dim: width of what the discriminator sees.
        seed: non-negative integer that fixes the initial weights.

    Returns:
        `keras.Model` from [batch, code_dim] to float32 logits [batch, 1].

    Example:

    >>> discriminator = spectral_discriminator(2, seed=0)
    >>> discriminator.output_shape
    (None, 1)

    References:
        Miyato et al. 2018, *Spectral Normalization for Generative Adversarial Networks*, algorithm
        1. Differs: Keras keeps the divided kernel, so that the optimizer moves from there.
    """
    inputs = x = keras.Input((code_dim,), name="code")
    for layer in networks.mlp_discriminator(code_dim, seed=seed).layers:
        if not isinstance(layer, keras.layers.Dense):
            continue
        dense = keras.layers.Dense.from_config({**layer.get_config(), "dtype": "float32"})
        spectral = keras.layers.SpectralNormalization(dense, dtype="float32", name=dense.name)
        x = spectral(x)
        # Keras draws the start of the iteration from its global generator.
        spectral.vector_u.assign(_leading_vector(dense.kernel.numpy(), seed)[np.newaxis])
    return keras.Model(inputs, x, name="discriminator")


def is_spectral(network: keras.Model) -> bool:
    """Tells whether any layer of a network is spectrally normalised."""
    return any(isinstance(x, keras.layers.SpectralNormalization) for x in network.layers)


def _leading_vector(kernel: np.ndarray, seed: int) -> np.ndarray:
    """Gives the right singular vector of the largest singular value, nearly."""
    vector: np.ndarray = np.random.default_rng(seed).standard_normal(kernel.shape[1:])
    for _ in range(_ITERATIONS):
        vector = kernel.T @ (kernel @ vector)
        vector /= np.linalg.norm(vector)
    return vector
