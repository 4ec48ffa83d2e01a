"""From options to a compiled model. TensorFlow is imported when a function is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras
    import tensorflow_probability as tfp

    from aae_tf.cli.recipe import Recipe
    from aae_tf.divergences import Divergence
    from aae_tf.models import BaseAAE


def build_model(recipe: Recipe, shape: Sequence[int]) -> BaseAAE:
    """Builds the model of a recipe and compiles it.

    Args:
        recipe: what to build.
        shape: of one input, without the batch.

    Returns:
        The model, its weights a function of `recipe.seed`.

    Raises:
        ValueError: if the recipe's parts do not fit together or the data.
    """
    import keras

    model = MODELS[recipe.model](recipe, tuple(shape))
    # A discriminator that gets ahead leaves the encoder no gradient. With equal rates the codes of
    # digits collapsed within three epochs; with a tenth they did not, and MNIST did better as well.
    rate = recipe.discriminator_learning_rate or recipe.learning_rate / 10
    model.compile(
        optimizer=keras.optimizers.Adam(recipe.learning_rate),
        discriminator_optimizer=keras.optimizers.Adam(rate),
        reconstruction_loss=recipe.reconstruction_loss,
        schedule=recipe.schedule,
        steps_per_execution=recipe.steps_per_execution,
    )
    return model


def _aae(recipe: Recipe, shape: tuple[int, ...]) -> BaseAAE:
    from aae_tf.models import AAE

    encoder_seed, decoder_seed, discriminator_seed = map(
        int, np.random.SeedSequence(recipe.seed).generate_state(3)
    )
    encoder, decoder = NETWORKS[recipe.network](recipe, shape, encoder_seed, decoder_seed)
    return AAE(
        encoder,
        decoder,
        prior=PRIORS[recipe.prior](recipe.code_dim, recipe.prior_scale),
        posterior=recipe.posterior,
        divergence=_divergence(recipe, discriminator_seed),
        seed=recipe.seed,
    )


def _divergence(recipe: Recipe, seed: int) -> Divergence:
    from aae_tf import divergences, networks

    arguments: dict[str, Any] = {}
    if recipe.divergence_weight is not None:
        arguments["weight"] = recipe.divergence_weight
    if recipe.divergence == "mmd":
        return divergences.MMD(**arguments)
    if recipe.discriminator_units is not None:
        arguments["discriminator"] = networks.mlp_discriminator(
            recipe.code_dim, units=recipe.discriminator_units, seed=seed
        )
    return divergences.Adversarial(**arguments)


def _mlp(
    recipe: Recipe, shape: tuple[int, ...], encoder_seed: int, decoder_seed: int
) -> tuple[keras.Model, keras.Model]:
    from aae_tf import networks

    units = recipe.units or (1000, 1000)
    return (
        networks.mlp_encoder(shape, units=units, seed=encoder_seed),
        networks.mlp_decoder(shape, recipe.code_dim, units=units[::-1], seed=decoder_seed),
    )


def _conv(
    recipe: Recipe, shape: tuple[int, ...], encoder_seed: int, decoder_seed: int
) -> tuple[keras.Model, keras.Model]:
    from aae_tf import networks

    units = recipe.units or (256,)
    return (
        networks.conv_encoder(shape, units=units, seed=encoder_seed),
        networks.conv_decoder(shape, recipe.code_dim, units=units[::-1], seed=decoder_seed),
    )


def _gaussian(dim: int, scale: float) -> tfp.distributions.Distribution:
    from aae_tf import priors

    return priors.gaussian(dim, scale=scale)


def _ring_mixture(dim: int, scale: float) -> tfp.distributions.Distribution:
    from aae_tf import priors

    return priors.ring_mixture(dim=dim, radius=4.0 * scale, radial_scale=scale)


def _uniform(dim: int, scale: float) -> tfp.distributions.Distribution:
    from aae_tf import priors

    return priors.uniform(dim, low=-scale, high=scale)


# What `aae-tf train` can be asked for by name.
MODELS: dict[str, Callable[[Recipe, tuple[int, ...]], BaseAAE]] = {"aae": _aae}
NETWORKS: dict[str, Callable[..., tuple[keras.Model, keras.Model]]] = {"mlp": _mlp, "conv": _conv}
PRIORS: dict[str, Callable[[int, float], tfp.distributions.Distribution]] = {
    "gaussian": _gaussian,
    "ring_mixture": _ring_mixture,
    "uniform": _uniform,
}
