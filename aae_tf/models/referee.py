"""The running accuracies of a model's games, and what a balance makes of them."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from aae_tf.divergences import DivergenceTerms
from aae_tf.models.balance import Balance
from aae_tf.models.memory import make_memory

Accuracies = Mapping[str, tf.Tensor]


class Referee:
    """Watches the games of a model, and says who waits.

    Args:
        balance: the rules.
        games: names of the codes that have a discriminator, one or more.

    Attributes:
        state: float32 [games], the running accuracies, from the middle of the band on.
    """

    def __init__(self, balance: Balance, games: Sequence[str]) -> None:
        self._balance = balance
        self._games = list(games)
        middle = 0.5 * (balance.lowest + balance.highest)
        self.state = make_memory(np.full(len(games), middle), "accuracies")

    def watch(self, divergences: Mapping[str, DivergenceTerms]) -> Accuracies:
        """Takes the accuracies of a batch in, and gives the running ones by code."""
        current = tf.stack([divergences[code].discriminator_accuracy for code in self._games])
        current = tf.stop_gradient(_replica_mean(current))
        before = self.state.value
        # An accuracy that is not finite is of a batch that will be left out.
        current = tf.where(tf.math.is_finite(current), current, before)
        after = self._balance.average(before, current)
        self.state.assign(after)
        return dict(zip(self._games, tf.unstack(after), strict=True))

    def encoder_factors(self, accuracies: Accuracies) -> dict[str, tf.Tensor]:
        """Gives the factor of each adversarial loss of the encoder."""
        return {code: self._balance.encoder_factor(a) for code, a in accuracies.items()}

    def discriminator_factors(
        self, accuracies: Accuracies, further: bool
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Gives the factor of each discriminator's loss, and whether any of them steps."""
        rule = self._balance.further_factor if further else self._balance.discriminator_factor
        factors = {code: rule(accuracy) for code, accuracy in accuracies.items()}
        return factors, tf.reduce_any(tf.stack(list(factors.values())) > 0.0)


def _replica_mean(value: tf.Tensor) -> tf.Tensor:
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return value
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, value)
