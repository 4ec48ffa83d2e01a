"""How the two sides of a game are kept level."""

from typing import Any

import keras
import tensorflow as tf

from aae_tf.checks import check_dimension, check_number

# How far below its band an accuracy falls until the encoder waits altogether.
_FADE = 0.1


@keras.saving.register_keras_serializable(package="aae_tf")
class Balance:
    """Lets the side of a game wait that wins too much, within the graph.

    The accuracy of each code's discriminator is averaged over the last batches. Above the band,
    the discriminator of that code does not step. Below it, the codes run ahead of what the
    discriminator knows: the encoder's adversarial loss fades, to nothing 0.1 below the band, and
    the discriminator makes the further steps that `compile(discriminator_steps=...)` allows. Within
    the band everything is as in a training without a balance, with one discriminator step.

    The discriminators of a model share an optimizer. While one waits and another does not, its
    loss counts nothing, and moments that the optimizer has of it fade.

    Args:
        lowest: accuracy below which the encoder waits, in (0, 1).
        highest: accuracy above which the discriminator waits, in (lowest, 1).
        memory: number of batches that the accuracy is averaged over, exponentially.

    Raises:
        TypeError: if an argument is no number.
        ValueError: if it is out of its range.

    Example:

    >>> balance = Balance(highest=0.75)
    >>> float(balance.discriminator_factor(tf.constant(0.9)))
    0.0
    >>> round(float(balance.encoder_factor(tf.constant(0.45))), 3)
    0.5

    References:
        Larsen et al. 2016 train the decoder or the discriminator alone while the losses of the two
        are out of balance. Differs: by accuracies, whose scale does not depend on the objective.
    """

    def __init__(self, lowest: float = 0.5, highest: float = 0.65, memory: int = 20) -> None:
        lowest, highest = check_number("lowest", lowest), check_number("highest", highest)
        if not 0.0 < lowest < highest < 1.0:
            raise ValueError(
                "Expected `lowest` and `highest` to be accuracies with 0 < lowest < highest < 1. "
                f"Received: lowest={lowest!r}, highest={highest!r}."
            )
        self.lowest = lowest
        self.highest = highest
        self.memory = check_dimension("memory", memory)

    def average(self, accuracy: tf.Tensor, current: tf.Tensor) -> tf.Tensor:
        """Returns the running accuracy after a batch of accuracy `current`."""
        return accuracy + (current - accuracy) / self.memory

    def discriminator_factor(self, accuracy: tf.Tensor) -> tf.Tensor:
        """Returns the factor of a discriminator's loss, 0 while it waits, else 1."""
        return tf.cast(accuracy <= self.highest, tf.float32)

    def further_factor(self, accuracy: tf.Tensor) -> tf.Tensor:
        """Returns the same for its further steps."""
        return tf.cast(accuracy < self.lowest, tf.float32)

    def encoder_factor(self, accuracy: tf.Tensor) -> tf.Tensor:
        """Returns the factor of the encoder's adversarial loss, in [0, 1]."""
        return tf.clip_by_value((accuracy - self.lowest) / _FADE + 1.0, 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"lowest": self.lowest, "highest": self.highest, "memory": self.memory}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Balance":
        """Builds the balance from what `get_config` returned."""
        return cls(**config)

    @classmethod
    def get(cls, identifier: Any) -> "Balance | None":
        """Resolves what `compile` was given: "fixed" is None, "adaptive" the default balance."""
        if isinstance(identifier, cls):
            return identifier
        if identifier not in ("fixed", "adaptive"):
            raise ValueError(
                "Expected `balance` to be 'fixed', 'adaptive' or a Balance. "
                f"Received: balance={identifier!r}."
            )
        return cls() if identifier == "adaptive" else None
