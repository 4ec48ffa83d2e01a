"""The optimizers of a recipe. TensorFlow is imported when a function is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

    from aae_tf.cli.recipe import Recipe

_STEPS = (50, 1000)


def build_optimizers(recipe: Recipe, steps_per_epoch: int) -> dict[str, keras.optimizers.Optimizer]:
    """Builds the optimizer of each player, as arguments of `compile`.

    Args:
        recipe: what to build.
        steps_per_epoch: for schedules, whose unit in a recipe is the epoch.
    """
    rate, momentum = recipe.learning_rate, recipe.momentum
    # A discriminator that gets ahead leaves the encoder no gradient. With equal rates the codes of
    # digits collapsed within three epochs; with a tenth they did not, and MNIST did better as well.
    players = {
        "optimizer": (rate, momentum),
        "discriminator_optimizer": (
            _first(recipe.discriminator_learning_rate, rate / 10),
            _first(recipe.discriminator_momentum, momentum),
        ),
    }
    if recipe.schedule == "alternating":
        players["regularization_optimizer"] = (
            _first(recipe.regularization_learning_rate, rate),
            _first(recipe.regularization_momentum, momentum),
        )
    return {
        name: _OPTIMIZERS[recipe.optimizer](
            _RATES[recipe.learning_rate_schedule](recipe, rate, steps_per_epoch), momentum
        )
        for name, (rate, momentum) in players.items()
    }


def _first(given: float | None, otherwise: float) -> float:
    return otherwise if given is None else given


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

    epochs = recipe.learning_rate_steps or _STEPS
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        # Keras counts steps from 0, and a boundary to the rate before it.
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
