"""How steep the discriminators of a model are, and what a balance makes of it."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from aae_tf import replicas
from aae_tf.divergences import Divergence, DivergenceTerms
from aae_tf.models.balance import Balance
from aae_tf.models.memory import make_memory
from aae_tf.priors.prior_moments import prior_moments

# The slope of each objective's encoder loss in the log-odds of codes and prior samples, at a draw,
# over that of "non_saturating".
_UNITS = {"non_saturating": 1.0, "least_squares": 0.25}


class Rates(NamedTuple):
    """How far the discriminators step.

    Attributes:
        factors: float32 [variables], those of the learning rate of each; None: all are 1.
        logs: `<code>_steepness` and `<code>_rate_factor` of each game; float32 scalars.
    """

    factors: tf.Tensor | None
    logs: dict[str, tf.Tensor]


class Referee:
    """Watches the games of a model, and says how far each discriminator steps.

    Args:
        balance: the rules.
        games: the divergences that have a discriminator, by the name of the code, one or more.
        variables: the Keras variables of the discriminators' player, in its order.

    Attributes:
        state: float32 [games], the logarithms of the slow parts of the factors.
    """

    def __init__(
        self,
        balance: Balance,
        games: Mapping[str, Divergence],
        variables: Sequence[keras.Variable],
    ) -> None:
        self._balance = balance
        # One standard deviation of the prior, and one unit of the objective, for each code.
        self._units = {
            code: prior_moments(each.prior)[1] / _UNITS.get(getattr(each, "objective", ""), 1.0)
            for code, each in games.items()
        }
        owner = {
            id(variable): number
            for number, each in enumerate(games.values())
            for variable in each.trainable_variables
        }
        self._owners = [owner[id(variable)] for variable in variables]
        self.state = make_memory(np.full(len(games), math.log(balance.start)), "balance")

    def rates(
        self,
        tape: tf.GradientTape,
        codes: Mapping[str, tf.Tensor],
        divergences: Mapping[str, DivergenceTerms],
    ) -> Rates:
        """Gives the factors of a step, and remembers how steep the discriminators were.

        Args:
            tape: persistent; has watched the codes while they were compared.
            codes: float [batch, width] by name; others than those of the games are left alone.
            divergences: what came of it.

        Returns:
            `Rates`.
        """
        squares = []
        for code, unit in self._units.items():
            # The loss is a mean over rows; one row's slope is wanted, of a size that float16 has.
            rows = tf.cast(replicas.row_count(codes[code]), tf.float32)
            slopes = unit * tape.gradient(
                divergences[code].encoder_loss, codes[code], output_gradients=rows
            )
            squares.append(tf.reduce_sum(tf.square(slopes)) / rows)
        found = tf.sqrt(tf.stack(replicas.replica_mean(squares)))
        # Of a batch that will be left out, nothing is learned.
        measured = tf.where(tf.math.is_finite(found), found, self._balance.lowest)
        slow = self.state.value
        factors = self._balance.factor(slow, measured)
        self.state.assign(self._balance.follow(slow, measured))
        logs = {}
        for number, code in enumerate(self._units):
            logs[f"{code}_steepness"] = found[number]
            logs[f"{code}_rate_factor"] = factors[number]
        return Rates(tf.gather(factors, self._owners), logs)
