"""From the optimizers of `compile` to the players of a model."""

from collections.abc import Iterable, Mapping
from typing import Any

import keras

from aae_tf.models.guard import Guard
from aae_tf.models.player import Player, companion, loss_scaled
from aae_tf.models.replicated_player import ReplicatedPlayer

Layers = Iterable[keras.layers.Layer]


def resolve_optimizers(
    optimizer: Any, discriminator: Any, regularization: Any, has_game: bool, schedule: str
) -> dict[str, keras.optimizers.Optimizer]:
    """Makes the optimizers that a model needs, by the name of their argument of `compile`.

    Args:
        optimizer: Keras optimizer or its name, for encoder and decoder.
        discriminator: the same for the discriminators, or None for a copy.
        regularization: the same for the encoder's step down the divergences.
        has_game: whether there are discriminators.
        schedule: "joint" or "alternating", which has a step of its own for the divergences.

    Returns:
        New or given optimizers, not built.
    """
    given = keras.optimizers.get(optimizer)
    optimizers = {"optimizer": given}
    if has_game:
        optimizers["discriminator_optimizer"] = companion(given, discriminator)
    if schedule == "alternating":
        optimizers["regularization_optimizer"] = companion(given, regularization)
    return optimizers


def make_players(
    optimizers: Mapping[str, keras.optimizers.Optimizer],
    layers: Mapping[str, Layers],
    guard: Guard | None,
    scale: bool,
    replicas: int = 1,
) -> dict[str, Player]:
    """Gives each optimizer its variables.

    Args:
        optimizers: by the name of their argument of `compile`.
        layers: what each of them moves.
        guard: what all gradients are judged by, or None.
        scale: whether losses are scaled, for float16.
        replicas: how many devices train together.

    Returns:
        Players by the same names.

    Raises:
        ValueError: if an optimizer cannot serve.
    """
    kind = Player if replicas == 1 else ReplicatedPlayer
    return {
        name: kind(name, loss_scaled(each, scale), _variables(layers[name]), guard)
        for name, each in optimizers.items()
    }


def _variables(layers: Layers) -> list[keras.Variable]:
    unique = {id(v): v for layer in layers for v in layer.trainable_variables}
    return list(unique.values())
