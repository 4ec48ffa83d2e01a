"""Networks, priors and divergences by name. TensorFlow is imported when a function is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import tensorflow_probability as tfp

    from aae_tf.cli.recipe import Recipe
    from aae_tf.divergences import Divergence
    from aae_tf.posteriors import Posterior

Shape = tuple[int, ...]

# The factors of divergences by default, as the help has them.
WEIGHTS = {"adversarial": 1.0, "mmd": 100.0}


def build_encoder(recipe: Recipe, shape: Shape, seed: int) -> keras.Model:
    """Builds the encoder of a recipe."""
    from aae_tf import networks

    arguments: dict[str, Any] = {
        "activation": recipe.activation,
        "batch_normalization": recipe.batch_normalization,
        "seed": seed,
    }
    if recipe.units is not None:
        arguments["units"] = recipe.units
    if recipe.network == "conv":
        return networks.conv_encoder(shape, **arguments)
    return networks.mlp_encoder(
        shape, input_noise=recipe.input_noise, dropout=recipe.dropout, **arguments
    )


def build_decoder(recipe: Recipe, shape: Shape, width: int, seed: int) -> keras.Model:
    """Builds the decoder of a recipe from codes [batch, width]."""
    from aae_tf import networks

    arguments: dict[str, Any] = {"activation": recipe.decoder_activation, "seed": seed}
    if recipe.units is not None:
        arguments["units"] = recipe.units[::-1]
    if recipe.network == "conv":
        return networks.conv_decoder(shape, width, **arguments)
    return networks.mlp_decoder(shape, width, input_noise=recipe.decoder_input_noise, **arguments)


def build_posterior(recipe: Recipe) -> Posterior:
    """Builds the posterior of a recipe."""
    from aae_tf import posteriors

    posterior = type(posteriors.get(recipe.posterior))
    return posterior(normalize=recipe.normalize_codes)


def build_divergence(
    name: str,
    weight: float | None,
    units: Shape | None,
    width: int,
    seed: int,
    first_step: int = 0,
) -> Divergence | None:
    """Builds a divergence.

    Args:
        name: "adversarial", "mmd" or "none".
        weight: its factor in the loss; None takes its own.
        units: widths of the discriminator's layers; None takes its own.
        width: what a discriminator would see.
        seed: of the discriminator's weights.
        first_step: number of steps in which it does not count.
    """
    import keras

    from aae_tf import divergences, networks

    if name == "none":
        return None
    arguments: dict[str, Any] = {}
    if first_step:
        weight = WEIGHTS[name] if weight is None else weight
        arguments["weight"] = keras.optimizers.schedules.PiecewiseConstantDecay(
            [first_step - 1], [0.0, weight]
        )
    elif weight is not None:
        arguments["weight"] = weight
    if name == "mmd":
        return divergences.MMD(**arguments)
    if units is not None:
        arguments["discriminator"] = networks.mlp_discriminator(width, units=units, seed=seed)
    return divergences.Adversarial(**arguments)


def build_prior(recipe: Recipe, num_components: int) -> tfp.distributions.Distribution:
    """Builds the prior of a recipe, one component for each class where it has components."""
    return PRIOR_BUILDERS[recipe.prior](recipe, num_components)


def _gaussian(recipe: Recipe, _: int) -> tfp.distributions.Distribution:
    from aae_tf import priors

    return priors.gaussian(recipe.code_dim, scale=recipe.prior_scale)


def _ring_mixture(recipe: Recipe, count: int) -> tfp.distributions.Distribution:
    from aae_tf import priors

    scale = recipe.prior_scale
    return priors.ring_mixture(
        count, dim=recipe.code_dim, radius=recipe.ring_radius * scale, radial_scale=scale
    )


def _swiss_roll(recipe: Recipe, count: int) -> tfp.distributions.Distribution:
    from aae_tf import priors

    scale = recipe.prior_scale
    return priors.swiss_roll(
        count, dim=recipe.code_dim, inner_radius=scale, outer_radius=6.0 * scale, scale=0.3 * scale
    )


def _uniform(recipe: Recipe, _: int) -> tfp.distributions.Distribution:
    from aae_tf import priors

    return priors.uniform(recipe.code_dim, low=-recipe.prior_scale, high=recipe.prior_scale)


PRIOR_BUILDERS: dict[str, Callable[[Recipe, int], tfp.distributions.Distribution]] = {
    "gaussian": _gaussian,
    "ring_mixture": _ring_mixture,
    "swiss_roll": _swiss_roll,
    "uniform": _uniform,
}
