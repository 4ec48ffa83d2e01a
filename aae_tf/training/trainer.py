"""What a training step leaves behind, and what it must not."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from aae_tf.models.balance import Balance
from aae_tf.models.game import Game
from aae_tf.models.gate import Gate
from aae_tf.models.guard import Guard
from aae_tf.models.player import Player
from aae_tf.models.referee import Referee
from aae_tf.models.shelter import Shelter
from aae_tf.models.skip_watch import SkipWatch
from aae_tf.models.step import Batch, Outcome
from aae_tf.models.trackers import Count, LossMean

_STATE = "training_state"


class GuardedGame(Game):
    """A `Game` whose steps are guarded: see `models.Guard`.

    Args:
        *args: those of `Objective`.
        **kwargs: those of `Objective`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._skipped = Count(name="skipped_updates")
        self._shortened = Count(name="shortened_updates")
        self._watch: SkipWatch | None = None
        self._limits_steps = False
        self._shelter = Shelter()
        # Those whose state is what a training has learned beside weights and moments.
        self._remembering: tuple[Gate | Referee, ...] = ()

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Makes one step on a batch; see the class for the two schedules."""
        batch = self._unpack(data, fitting=True)
        seed = tf.cast(self.seed_generator.next(), tf.int32)
        step = self._joint_step if self.schedule == "joint" else self._alternating_step
        before = self._shelter.keep()
        outcome = step(batch, seed)
        accepted = self._settle(batch, outcome, before)
        logs = self._log(batch, outcome.terms, outcome.loss, accepted, outcome.observed)
        counters = [self._skipped] if self._watch else []
        counters += [self._shortened] if self._limits_steps else []
        return logs | {counter.name: counter.result() for counter in counters}

    # Keras': what `fit` calls with an iterator, None until it is made.
    train_function: Callable[[Any], Any] | None

    def make_train_function(self, force: bool = False) -> None:
        """Makes what `fit` calls, with an eye on the updates that are left out."""
        is_new = self.train_function is None or force
        super().make_train_function(force)
        if is_new and self._watch is not None and self.train_function is not None:
            self.train_function = self._watch.watch(self.train_function, self.steps_per_execution)

    def save_own_variables(self, store: Any) -> None:
        """Stores what a training knows beside weights and moments, to go on from."""
        super().save_own_variables(store)
        if self._remembering:
            store[_STATE] = np.concatenate([each.state.numpy() for each in self._remembering])

    def load_own_variables(self, store: Any) -> None:
        """Restores it, if the model is compiled as the saved one was."""
        own = {key: store[key] for key in store.keys() if key != _STATE}  # noqa: SIM118
        super().load_own_variables(own)
        sizes = [each.state.shape[0] for each in self._remembering]
        if sizes and _STATE in store.keys() and len(store[_STATE]) == sum(sizes):  # noqa: SIM118
            parts = np.split(np.asarray(store[_STATE]), np.cumsum(sizes)[:-1])
            for each, values in zip(self._remembering, parts, strict=True):
                each.state.assign(values)

    def _prepare(
        self, guard: Guard | None, balance: Balance | None, players: Sequence[Player]
    ) -> None:
        """Makes what guard and balance remember, when the model is compiled."""
        gates = [player.gate for player in players if player.gate is not None]
        games = self._games()
        self._referee = None
        if balance and self._discriminators:
            named = {code: self._divergences[code] for code in games}
            self._referee = Referee(balance, named, self._discriminators.variables)
        self._remembering = (*gates, *([self._referee] if self._referee else []))
        self._limits_steps = any(gate.limits_steps for gate in gates)
        self._watch = None
        self._shelter = Shelter()
        if guard is not None:
            keys = ["loss", *self._trackers]
            self._watch = SkipWatch(players, guard.max_skipped_updates, keys, games)
            self._shelter = Shelter(self.non_trainable_weights)
        # As Keras sets its own: a loss that no other metric of the model is.
        object.__setattr__(self, "_loss_tracker", LossMean(name="loss"))

    def _settle(
        self, batch: Batch, outcome: Outcome, before: Sequence[tf.Tensor]
    ) -> tf.Tensor | None:
        """Takes back what a batch that was not accepted has left, and counts; None: no guard."""
        if self._watch is None:
            return None
        accepted = tf.reduce_all(tf.stack([update.accepted for update in outcome.updates]))
        self._shelter.restore(before, accepted)
        terms = self._logged_terms(batch, outcome.terms)
        values = {"loss": outcome.loss, **{key: value for key, (value, _) in terms.items()}}
        self._watch.note(accepted, values)
        self._skipped.add([~update.accepted for update in outcome.updates])
        self._shortened.add([update.shortened for update in outcome.updates])
        return accepted

    def _get_metrics_result_or_logs(self, logs: dict[str, Any]) -> dict[str, Any]:
        # Keras asks this for the numbers of an epoch, and takes the metrics, which know all
        # replicas, only if each of them is logged; evaluation logs fewer than training.
        results = self.get_metrics_result()
        return {key: results.get(key, value) for key, value in logs.items()}
