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
# The factors that may be.
_LEAST, _MOST = 1e-3, 30.0
# No steepness at all has no logarithm.
_FLAT = 1e-6


@keras.saving.register_keras_serializable(package="aae_tf")
class Balance:
    """Steers how far a discriminator steps, so that it is as steep as in a game that goes well.

    Steepness is what the encoder feels of a discriminator: how much a code's adversarial loss
    changes as the code moves; the norm of that gradient, in nats per standard deviation of the
    prior, as the root mean square over a batch. A discriminator that learns too fast grows steep
    without a limit, and throws the codes about; one that learns too slowly stays flat, and codes
    stay where the decoder likes them. In trainings on MNIST whose rates suited them it began at
    0.5, and came to 1.4 as the discriminator found what is hard to see.

    Within the graph, at every step and for each code of its own, the learning rate of the
    discriminator is multiplied by

        factor = slow * min(3, max(0.01, distance^2)),    in [0.001, 30]
        distance = lowest / measured below the band, highest / measured above it, 1 within

    and log(slow) then moves by log(distance) / memory, by 2 / memory at most. The quick part stops
    a runaway within a few steps; the slow part finds the rate, ten times off in some hundred steps,
    and stays where it is while the steepness is in the band. A schedule of the learning rate goes
    on below the factor.

    Args:
        lowest: steepness below which a discriminator is too flat, positive; in units of the
            objective "non_saturating". Losses of "least_squares" are a quarter as steep where codes
            are like the prior, and so is their band.
        highest: steepness above which it is too steep, at least `lowest`. Below what a game comes
            to by itself it would starve the discriminator.
        start: the slow part at the first step, in [0.001, 30]. Below 1, since a discriminator is
            sooner steep than flat again.
        memory: number of steps.

    Raises:
        TypeError: if an argument is no number.
        ValueError: if it is out of its range.

    Example:

    >>> balance = Balance(lowest=0.5, highest=1.5)
    >>> slow, measured = tf.constant([0.0, 0.0]), tf.constant([1.0, 3.0])
    >>> balance.factor(slow, measured).numpy().round(3)
    array([1.  , 0.25], dtype=float32)
    >>> (balance.follow(slow, measured) < slow).numpy()
    array([False,  True])

    References:
        Larsen et al. 2016 let a side wait while the losses of the two are out of balance; Gulrajani
        et al. 2017 and Miyato et al. 2018 bound a discriminator's slope, by a penalty and by its
        kernels. Differs: the slope is brought to a band, from either side, by the learning rate.
    """

    def __init__(
        self, lowest: float = 0.6, highest: float = 2.0, start: float = 0.1, memory: int = 100
    ) -> None:
        self.lowest = check_positive("lowest", lowest)
        self.highest = check_positive("highest", highest)
        if lowest > highest:
            raise ValueError(
                "Expected `highest` to be at least `lowest`. "
                f"Received: lowest={lowest!r}, highest={highest!r}."
            )
        if not _LEAST <= check_number("start", start) <= _MOST:
            raise ValueError(
                f"Expected `start` to be in [{_LEAST:g}, {_MOST:g}]. Received: start={start!r}."
            )
        self.start = float(start)
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
        return tf.clip_by_value(tf.exp(slow + quick), _LEAST, _MOST)

    def follow(self, slow: tf.Tensor, measured: tf.Tensor) -> tf.Tensor:
        """Returns the logarithms of the slow parts after a step; arguments as of `factor`."""
        change = tf.clip_by_value(self._distance(measured), -_FURTHEST, _FURTHEST) / self.memory
        return tf.clip_by_value(slow + change, math.log(_LEAST), math.log(_MOST))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        names = ("lowest", "highest", "start", "memory")
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
        measured += _FLAT
        return tf.math.log(tf.clip_by_value(measured, self.lowest, self.highest) / measured)
