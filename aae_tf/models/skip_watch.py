"""The end of a training that no longer moves."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from aae_tf.models.memory import make_memory
from aae_tf.models.player import Player

_ADVICE = {
    "optimizer": (
        "a lower learning rate of `optimizer`, its `global_clipnorm`, and inputs of one range"
    ),
    "discriminator_optimizer": (
        "a lower learning rate of `discriminator_optimizer`, and `gradient_penalty`, "
        "`spectral_normalization` or `input_noise` of the code's `Adversarial`"
    ),
    "regularization_optimizer": (
        "a lower learning rate of `regularization_optimizer`, a lower `weight` of the code's "
        "divergence, and compile(balance='adaptive')"
    ),
}
_BEYOND_FLOAT16 = "; or the precision mixed_bfloat16, whose range is that of float32"


class SkipWatch:
    """Stops training when a player has skipped too many updates in a row.

    The numbers are read when the limit can have been reached, and not at every batch, since reading
    waits for the device.

    Args:
        players: those who move; the name of each in messages is that of its optimizer.
        limit: how many updates in a row are too many; None never stops.
        log_keys: names of what a batch measures.
        games: names of the codes that have a discriminator.
    """

    def __init__(
        self,
        players: Sequence[Player],
        limit: int | None,
        log_keys: Sequence[str],
        games: Sequence[str],
    ) -> None:
        self._players = [player for player in players if player.gate is not None]
        self._limit = limit
        self._keys = list(log_keys)
        self._games = list(games)
        self._countdown = 0 if limit is None else limit
        # Which of the values of the last batch left out were not finite, with any replica.
        self._unsound = make_memory(np.zeros(len(self._keys)), "unsound", of_each=True)

    def note(self, accepted: tf.Tensor, values: Mapping[str, tf.Tensor]) -> None:
        """Keeps in the graph which values of a batch are not finite, if it is left out."""
        kept = self._unsound.value

        def unsound() -> tf.Tensor:
            flags = [
                ~tf.reduce_all(tf.math.is_finite(values[key])) if key in values else False
                for key in self._keys
            ]
            return tf.cast(tf.stack(flags), tf.float32)

        if not all(player.has_branches for player in self._players):
            self._unsound.assign(tf.where(accepted, kept, unsound()))
            return
        # Looked at only if need be: a dozen small operations are worth a branch.
        self._unsound.assign(tf.cond(accepted, lambda: tf.identity(kept), unsound))

    def watch(self, function: Callable[[Any], Any], steps: int) -> Callable[[Any], Any]:
        """Wraps a training function that makes up to `steps` steps, so that it raises in time."""
        if self._limit is None:
            return function

        def watched(iterator: Any) -> Any:
            logs = function(iterator)
            self._countdown -= steps
            if self._countdown <= 0:
                self._check()
            return logs

        return watched

    def _check(self) -> None:
        skipped = {p.argument: p.gate.skipped_in_a_row() for p in self._players if p.gate}
        worst = max(skipped, key=lambda argument: skipped[argument])
        if self._limit is not None and skipped[worst] >= self._limit:
            (player,) = (p for p in self._players if p.argument == worst)
            raise FloatingPointError(self._message(player, skipped[worst]))
        self._countdown = (self._limit or 0) - skipped[worst]

    def _message(self, player: Player, skipped: int) -> str:
        spike = player.gate is not None and player.gate.last_was_spike()
        reason = "far larger than any before" if spike else "not finite"
        counts = self._unsound.numpy()
        further = _BEYOND_FLOAT16 if player.is_scaled and not spike else ""
        unsound = [key for key, count in zip(self._keys, counts, strict=True) if count]
        terms = f"Not finite in the last of these batches: {', '.join(unsound)}. "
        if not unsound:
            terms = "All terms of the loss were finite in the last of these batches. "
        side = "the encoder's side"
        if player.argument == "discriminator_optimizer":
            side = f"the discriminator of {' and '.join(map(repr, self._games))}"
        return (
            f"Expected gradients of `{player.argument}`, which moves {side}, to be usable within "
            f"{self._limit} updates. Received: {skipped} in a row that were {reason}, and were "
            f"skipped; the weights are as before. {terms}"
            f"Try {_ADVICE[player.argument]}{further}."
        )
