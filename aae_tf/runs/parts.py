"""Parts of a model, built from the values of a recipe: networks, priors, divergences, optimizers.

TensorFlow is imported when a function is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import tensorflow_probability as tfp

    from aae_tf.divergences import Divergence
    from aae_tf.losses.weights import Weight
    from aae_tf.posteriors import Posterior
    from aae_tf.runs.recipe import Recipe
    from aae_tf.runs.training_data import TrainingData, WindowColumns

Shape = tuple[int, ...]

# Default weights of divergences and widths of discriminators, as the help of a recipe states them.
WEIGHTS = {"adversarial": 1.0, "mmd": 100.0, "energy": 10.0, "sliced": 100.0}
DISCRIMINATOR_UNITS = (1000, 1000)
TABULAR_UNITS = (256, 256)
_LEARNING_RATE_STEPS = (50, 1000)


def build_encoder(recipe: Recipe, data: TrainingData, seed: int) -> keras.Model:
    """Builds the encoder of a recipe."""
    from aae_tf import networks

    if data.columns is not None:
        options = _sequence_arguments(recipe, data.columns, recipe.units, recipe.activation, seed)
        if recipe.network == "recurrent":
            return networks.recurrent_encoder(data.shape, **options)
        return networks.conv1d_encoder(data.shape, **options)
    arguments: dict[str, Any] = {
        "activation": recipe.activation,
        "batch_normalization": recipe.batch_normalization,
        "seed": seed,
    }
    if recipe.units is not None:
        arguments["units"] = recipe.units
    arguments |= {
        "input_noise": recipe.input_noise,
        "dropout": recipe.dropout,
        "augmentation": build_augmentation(recipe, data, seed),
    }
    if recipe.network == "conv":
        return networks.conv_encoder(data.shape, **arguments)
    if data.table is not None:
        del arguments["augmentation"]
        return networks.tabular_encoder(data.table, **{"units": TABULAR_UNITS, **arguments})
    return networks.mlp_encoder(data.shape, **arguments)


def build_augmentation(recipe: Recipe, data: TrainingData, seed: int) -> list[keras.layers.Layer]:
    """Builds the layers that change images in training.

    Raises:
        ValueError: if there are some and inputs are no images.
    """
    import keras
    import numpy as np

    given = {
        name: value for name in ("shift", "rotation") if (value := getattr(recipe, name)) != 0.0
    }
    if given and (data.table is not None or len(data.shape) != 3):
        raise ValueError(
            f"Expected `{next(iter(given))}` to be left out but for images, [height, width, "
            f"channels]. Received: inputs of shape {data.shape}."
        )
    seeds = [int(word) >> 1 for word in np.random.SeedSequence([seed, 1]).generate_state(2)]
    layers: list[keras.layers.Layer] = []
    if recipe.shift:
        layers.append(
            keras.layers.RandomTranslation(
                recipe.shift, recipe.shift, fill_mode="constant", seed=seeds[0]
            )
        )
    if recipe.rotation:
        layers.append(
            keras.layers.RandomRotation(
                recipe.rotation / 360.0, fill_mode="constant", seed=seeds[1]
            )
        )
    return layers


def build_decoder(recipe: Recipe, data: TrainingData, width: int, seed: int) -> keras.Model:
    """Builds the decoder of a recipe from codes [batch, width]."""
    from aae_tf import networks

    if data.columns is not None:
        units = None if recipe.units is None else recipe.units[::-1]
        options = _sequence_arguments(recipe, data.columns, units, recipe.decoder_activation, seed)
        if recipe.network == "recurrent":
            return networks.recurrent_decoder(data.shape, width, **options)
        return networks.conv1d_decoder(data.shape, width, **options)
    arguments: dict[str, Any] = {"activation": recipe.decoder_activation, "seed": seed}
    if recipe.units is not None:
        arguments["units"] = recipe.units[::-1]
    if not data.in_unit_interval and data.table is None:
        arguments["output_activation"] = "linear"
    arguments["input_noise"] = recipe.decoder_input_noise
    if recipe.network == "conv":
        return networks.conv_decoder(data.shape, width, **arguments)
    if data.table is not None:
        return networks.tabular_decoder(data.table, width, **{"units": TABULAR_UNITS, **arguments})
    return networks.mlp_decoder(data.shape, width, **arguments)


def _sequence_arguments(
    recipe: Recipe, columns: WindowColumns, units: Shape | None, activation: str, seed: int
) -> dict[str, Any]:
    """Gives the arguments of a network of windows, which standardizes them or restores units."""
    import keras

    normalization = keras.layers.Normalization(
        mean=columns.mean.tolist(), variance=columns.variance.tolist()
    )
    arguments: dict[str, Any] = {"normalization": normalization, "seed": seed}
    if units is not None:
        arguments["units"] = units
    # Recurrent units have activations of their own.
    return arguments if recipe.network == "recurrent" else {**arguments, "activation": activation}


def build_reconstruction_loss(recipe: Recipe, data: TrainingData) -> Any:
    """Builds the reconstruction loss of a recipe; columns have losses of their own."""
    from aae_tf import losses

    if data.columns is not None:
        return losses.StandardizedError((data.columns.variance**0.5).tolist(), data.columns.names)
    return None if data.table is not None else recipe.reconstruction_loss


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
        name: "adversarial", "mmd", "energy", "sliced" or "none".
        weight: factor of the divergence in the loss; None takes its default.
        units: widths of the discriminator's layers; None takes the default.
        width: size of the discriminator's input.
        seed: seed of the discriminator's weights.
        first_step: number of steps at the start in which the weight is zero.
    """
    import keras

    from aae_tf import divergences, networks

    if name == "none":
        return None
    # Recipes were tuned with these, and not with the defaults of a model.
    value: Any = WEIGHTS[name] if weight is None else weight
    if first_step:
        value = keras.optimizers.schedules.PiecewiseConstantDecay([first_step - 1], [0.0, value])
    if name in _KERNELS:
        return divergences.MMD(_KERNELS[name](), weight=value)
    discriminator: Any = DISCRIMINATOR_UNITS
    if units is not None:
        discriminator = networks.mlp_discriminator(width, units=units, seed=seed)
    return divergences.Adversarial(discriminator, weight=value)


def build_weight(weight: float, end: float | None, steps: int) -> Weight:
    """Builds the weight of a term of the loss.

    Args:
        weight: factor of the term in the loss.
        end: factor after `steps`, to which it moves in a line; None for a constant weight.
        steps: number of steps of the training.

    Returns:
        A number or a schedule.
    """
    import keras

    if end is None:
        return weight
    return keras.optimizers.schedules.PolynomialDecay(weight, steps, end_learning_rate=end)


def build_prior(recipe: Recipe, num_components: int) -> tfp.distributions.Distribution:
    """Builds the prior of a recipe; a mixture gets one component for each class."""
    return PRIOR_BUILDERS[recipe.prior](recipe, num_components)


def build_optimizers(recipe: Recipe, steps_per_epoch: int) -> dict[str, keras.optimizers.Optimizer]:
    """Builds the optimizers of a recipe, as arguments of `compile`.

    Args:
        recipe: recipe of the optimizers.
        steps_per_epoch: steps in the epochs that learning rate schedules count.
    """
    rate, momentum = recipe.learning_rate, recipe.momentum
    # A discriminator that learns too fast leaves the encoder no gradient. With equal rates the
    # codes of digits collapsed within three epochs; with a tenth they did not, and results on MNIST
    # were better too.
    settings = {
        "optimizer": (rate, momentum),
        "discriminator_optimizer": (
            _default(recipe.discriminator_learning_rate, rate / 10),
            _default(recipe.discriminator_momentum, momentum),
        ),
    }
    if recipe.schedule == "alternating":
        settings["regularization_optimizer"] = (
            _default(recipe.regularization_learning_rate, rate),
            _default(recipe.regularization_momentum, momentum),
        )
    return {
        name: _OPTIMIZERS[recipe.optimizer](
            _RATES[recipe.learning_rate_schedule](recipe, rate, steps_per_epoch), momentum
        )
        for name, (rate, momentum) in settings.items()
    }


def _energy() -> Any:
    from aae_tf import mmd

    return mmd.Energy()


def _sliced() -> Any:
    from aae_tf import mmd

    return mmd.SlicedGaussian()


# Kernels of the divergences that compare moments; None follows the prior.
_KERNELS: dict[str, Callable[[], Any]] = {
    "mmd": lambda: None,
    "energy": _energy,
    "sliced": _sliced,
}


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


def _default(value: float | None, default: float) -> float:
    return default if value is None else value


def _adam(rate: Any, momentum: float) -> keras.optimizers.Optimizer:
    import keras

    return keras.optimizers.Adam(rate, beta_1=momentum)


def _sgd(rate: Any, momentum: float) -> keras.optimizers.Optimizer:
    import keras

    return keras.optimizers.SGD(rate, momentum=momentum)


def _constant(recipe: Recipe, rate: float, steps_per_epoch: int) -> float:
    return rate


def _linear(recipe: Recipe, rate: float, steps_per_epoch: int) -> Any:
    import keras

    return keras.optimizers.schedules.PolynomialDecay(
        rate, decay_steps=recipe.epochs * steps_per_epoch, end_learning_rate=0.0
    )


def _step(recipe: Recipe, rate: float, steps_per_epoch: int) -> Any:
    import keras

    epochs = recipe.learning_rate_steps or _LEARNING_RATE_STEPS
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        # Keras counts steps from 0, and a boundary still has the rate before it.
        [epoch * steps_per_epoch - 1 for epoch in epochs],
        [rate / 10**tenths for tenths in range(len(epochs) + 1)],
    )


_OPTIMIZERS: dict[str, Callable[[Any, float], keras.optimizers.Optimizer]] = {
    "adam": _adam,
    "sgd": _sgd,
}
_RATES: dict[str, Callable[[Recipe, float, int], Any]] = {
    "constant": _constant,
    "linear": _linear,
    "step": _step,
}
