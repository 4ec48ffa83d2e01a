"""How the two sides of a game are kept level."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import keras
import tensorflow as tf

from aae_tf.checks import check_dimension, check_number, check_positive
from aae_tf.divergences import Divergence

# The quick part of a factor, and how far the slow part follows a distance.
_POWER, _SHORTEST, _LONGEST = 2.0, 0.01, 3.0
_FURTHEST = 2.0
# No steepness at all has no logarithm.
_FLAT = 1e-6


@keras.saving.register_keras_serializable(package="aae_tf")
class Balance:
    """Steers how far a discriminator steps, so that it is as steep as in a game that goes well.

    Steepness is what the encoder feels of a discriminator: how much a code's adversarial loss
    changes as the code moves; the norm of that gradient, in nats per standard deviation of the
    prior, as the root mean square over a batch. A discriminator that learns too fast grows steep
    without a limit, and throws the codes about; one that learns too slowly stays flat, and codes
    stay where the decoder likes them. In trainings on MNIST whose rates suited them the steepness
    came to 0.5-1, in 2 dimensions as in 8.

    Within the graph, at every step and for each code of its own, the learning rate of the
    discriminator is multiplied by

        factor = slow * min(3, max(0.01, (steepness / measured)^2)),   in [lowest, highest]

    and log(slow) then moves by log(steepness / measured) / memory, by 2 / memory at most. The
    quick part stops a runaway within a few steps; the slow part finds the rate, ten times off in
    some hundred steps. A schedule of the learning rate goes on below the factor.

    Args:
        steepness: what is held, positive, in units of the objective "non_saturating"; of
            "least_squares", whose losses are smaller, two thirds of it are held.
        start: the slow part at the first step, in [lowest, highest]. Below 1, since a discriminator
            is sooner steep than flat again.
        lowest: the smallest factor, positive.
        highest: the largest.
        memory: number of steps.

    Raises:
        TypeError: if an argument is no number.
        ValueError: if it is out of its range.

    Example:

    >>> balance = Balance(steepness=0.6)
    >>> slow, measured = tf.constant([0.0]), tf.constant([1.2])
    >>> balance.factor(slow, measured).numpy().round(3)
    array([0.25], dtype=float32)
    >>> bool(balance.follow(slow, measured) < slow)
    True

    References:
        Larsen et al. 2016 let a side wait while the losses of the two are out of balance; Gulrajani
        et al. 2017 and Miyato et al. 2018 bound a discriminator's slope, by a penalty and by its
        kernels. Differs: the slope is brought to a value, from either side, by the learning rate.
    """

    def __init__(
        self,
        steepness: float = 0.6,
        start: float = 0.1,
        lowest: float = 0.001,
        highest: float = 30.0,
        memory: int = 100,
    ) -> None:
        self.steepness = check_positive("steepness", steepness)
        lowest, highest = check_positive("lowest", lowest), check_positive("highest", highest)
        if not lowest <= check_number("start", start) <= highest:
            raise ValueError(
                "Expected `start` to be in [lowest, highest]. "
                f"Received: start={start!r}, lowest={lowest!r}, highest={highest!r}."
            )
        self.start = float(start)
        self.lowest = lowest
        self.highest = highest
        self.memory = check_dimension("memory", memory)

    def factor(self, slow: tf.Tensor, measured: tf.Tensor) -> tf.Tensor:
        """Returns the factors of the learning rate.

        Args:
            slow: float32 [games], the logarithms of the slow parts.
            measured: float32 [games], how steep the discriminators are, zero or more.

        Returns:
            float32 [games].
        """
        quick = _POWER * self._distance(measured)
        quick = tf.clip_by_value(quick, math.log(_SHORTEST), math.log(_LONGEST))
        return tf.clip_by_value(tf.exp(slow + quick), self.lowest, self.highest)

    def follow(self, slow: tf.Tensor, measured: tf.Tensor) -> tf.Tensor:
        """Returns the logarithms of the slow parts after a step; arguments as of `factor`."""
        change = tf.clip_by_value(self._distance(measured), -_FURTHEST, _FURTHEST) / self.memory
        return tf.clip_by_value(slow + change, math.log(self.lowest), math.log(self.highest))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        names = ("steepness", "start", "lowest", "highest", "memory")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Balance":
        """Builds the balance from what `get_config` returned."""
        return cls(**config)

    @classmethod
    def get(
        cls, identifier: Any, divergences: Mapping[str, Divergence] = MappingProxyType({})
    ) -> "Balance | None":
        """Resolves what `compile` was given: "fixed" is None, "adaptive" the default balance.

        Args:
            identifier: a `Balance`, or a name.
            divergences: those of the model, by the name of the code.

        Raises:
            ValueError: if it is neither, or steepness says nothing of a game.
        """
        if not isinstance(identifier, cls) and identifier not in ("fixed", "adaptive"):
            raise ValueError(
                "Expected `balance` to be 'fixed', 'adaptive' or a Balance. "
                f"Received: balance={identifier!r}."
            )
        if identifier == "fixed":
            return None
        for code, divergence in divergences.items():
            if getattr(divergence, "objective", None) == "wasserstein":
                raise ValueError(
                    "Expected `balance` to be 'fixed' with objective='wasserstein', where the "
                    "gradient penalty holds the steepness. "
                    f"Received: balance={identifier!r}, with that objective for {code!r}."
                )
        return cls() if identifier == "adaptive" else identifier

    def _distance(self, measured: tf.Tensor) -> tf.Tensor:
        return tf.math.log(self.steepness / (measured + _FLAT))
