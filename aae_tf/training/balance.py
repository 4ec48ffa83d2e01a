"""The balance of encoder and discriminators, by the learning rate of each discriminator."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from aae_tf import replicas
from aae_tf.checks import check_dimension, check_number, check_positive
from aae_tf.divergences import Divergence, DivergenceTerms
from aae_tf.priors.prior_moments import prior_moments

# Exponent and bounds of the quick part of a factor.
_POWER, _SHORTEST, _LONGEST = 2.0, 0.01, 3.0
# The largest log distance that the slow part follows in a step, times `memory`.
_FURTHEST = 2.0
# Bounds of the factors.
_LEAST, _MOST = 1e-3, 30.0
# Added to steepness, since zero has no logarithm.
_FLAT = 1e-6
# The slope of each objective's encoder loss in the log-odds of codes and prior samples where these
# are alike, over that of "non_saturating".
_UNITS = {"non_saturating": 1.0, "least_squares": 0.25}


@keras.saving.register_keras_serializable(package="aae_tf")
class Balance:
    """Multiplies each discriminator's learning rate so that its steepness stays within a band.

    Steepness measures how strongly a discriminator moves the codes: the norm of the gradient of a
    code's adversarial loss with respect to the code, in nats per standard deviation of the prior,
    as the root mean square over a batch. A discriminator that learns too fast grows steep without
    a limit, and codes oscillate; one that learns too slowly stays flat, and codes stay where
    reconstruction alone puts them. In trainings on MNIST with suitable rates it began at 0.5 and
    came to 1.4 as the discriminator learned finer differences.

    Within the graph, at every step and for each code of its own, the learning rate of the
    discriminator is multiplied by

        factor = slow * min(3, max(0.01, distance^2)),    in [0.001, 30]
        distance = lowest / measured below the band, highest / measured above it, 1 within

    and log(slow) then moves by log(distance) / memory, by 2 / memory at most. The quick part stops
    a runaway within a few steps; the slow part corrects a rate that is ten times off in some
    hundred steps, and stays where it is while the steepness is in the band. The factor multiplies
    a schedule of the learning rate as well.

    Args:
        lowest: steepness below which a discriminator is too flat, positive; in units of the
            objective "non_saturating". Losses of "least_squares" are a quarter as steep where codes
            are like the prior, and so is their band.
        highest: steepness above which it is too steep, at least `lowest`. A value below what a
            balanced training reaches by itself would stop the discriminator from learning.
        start: the slow part at the first step, in [0.001, 30]. Below 1, since a discriminator
            becomes steep faster than it becomes flat.
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
            slow: float32 [codes], the logarithms of the slow parts.
            measured: float32 [codes], how steep the discriminators are, zero or more.

        Returns:
            float32 [codes].
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
            ValueError: if it is neither, or an objective has no use for steepness.
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


class Rates(NamedTuple):
    """The factors of the discriminators' learning rate in one step.

    Attributes:
        factors: float32 [variables], one for each variable; None: all are 1.
        logs: `<code>_steepness` and `<code>_rate_factor` of each code; float32 scalars.
    """

    factors: tf.Tensor | None
    logs: dict[str, tf.Tensor]


class BalanceController:
    """Measures the steepness of a model's discriminators, and gives the factors of their rates.

    Args:
        balance: the rules.
        divergences: those that have a discriminator, by the name of the code, one or more.
        variables: the Keras variables of all discriminators, in the order of their updater.

    Attributes:
        state: float32 [codes], the logarithms of the slow parts of the factors.
    """

    def __init__(
        self,
        balance: Balance,
        divergences: Mapping[str, Divergence],
        variables: Sequence[keras.Variable],
    ) -> None:
        self.state = replicas.state_variable(
            np.full(len(divergences), math.log(balance.start)), "balance"
        )
        self._balance = balance
        # One standard deviation of the prior, and one unit of the objective, for each code.
        self._units = {
            code: prior_moments(each.prior)[1] / _UNITS.get(getattr(each, "objective", ""), 1.0)
            for code, each in divergences.items()
        }
        owner = {
            id(variable): number
            for number, each in enumerate(divergences.values())
            for variable in each.trainable_variables
        }
        self._owners = [owner[id(variable)] for variable in variables]

    def rates(
        self,
        tape: tf.GradientTape,
        codes: Mapping[str, tf.Tensor],
        divergences: Mapping[str, DivergenceTerms],
    ) -> Rates:
        """Gives the factors of a step, and adds the measured steepness to the state.

        Args:
            tape: persistent; has watched the codes while they were compared.
            codes: float [batch, width], by the name of the code.
            divergences: the terms that were measured.

        Returns:
            `Rates`.
        """
        squares = []
        for code, unit in self._units.items():
            # The loss is a mean over rows, of which the slope of one row's is taken; the number of
            # rows goes into the incoming gradient, so that float16 can hold it.
            rows = tf.cast(replicas.row_count(codes[code]), tf.float32)
            slopes = unit * tape.gradient(
                divergences[code].encoder_loss, codes[code], output_gradients=rows
            )
            squares.append(tf.reduce_sum(tf.square(slopes)) / rows)
        steepness = tf.sqrt(tf.stack(replicas.replica_mean(squares)))
        # A batch that will be rejected changes nothing.
        measured = tf.where(tf.math.is_finite(steepness), steepness, self._balance.lowest)
        slow = self.state.value
        factors = self._balance.factor(slow, measured)
        self.state.assign(self._balance.follow(slow, measured))
        logs = {}
        for number, code in enumerate(self._units):
            logs[f"{code}_steepness"] = steepness[number]
            logs[f"{code}_rate_factor"] = factors[number]
        return Rates(tf.gather(factors, self._owners), logs)
