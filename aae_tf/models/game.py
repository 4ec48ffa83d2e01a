"""The players of a model, and the two orders in which they move."""

import contextlib
import functools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from aae_tf.divergences import DivergenceTerms
from aae_tf.losses.weights import weight_at
from aae_tf.models.generator import Tensors
from aae_tf.models.objective import Objective
from aae_tf.models.player import Player, Update
from aae_tf.models.referee import Accuracies, Referee
from aae_tf.models.step import Batch, Outcome, StepTerms


class Game(Objective):
    """An `Objective` with players: one step of each schedule, see `BaseModel`.

    Args:
        *args: those of `Objective`.
        **kwargs: those of `Objective`.
    """

    # Set when the model is compiled.
    schedule: str
    _discriminators: Player | None
    _referee: Referee | None
    _discriminator_steps: int
    _tracks_gradients: bool

    def _joint_step(self, batch: Batch, seed: tf.Tensor) -> Outcome:
        code_seed, divergence_seed = tf.unstack(tf.random.split(seed, 2))
        with (
            self._autoencoder.tape(self._tracks_gradients) as tape,
            self._discriminator_tape() as discriminator_tape,
        ):
            codes = self.sample_codes(batch, code_seed, training=True)
            terms = self._measure_codes(batch, codes, divergence_seed, training=True)
            accuracies = self._watch_games(terms.divergences)
            terms = self._balanced(terms, accuracies)
            loss = self._encoder_loss(batch, terms)
            discriminator_loss, wanted = self._game_loss(terms.divergences, accuracies)
            pulls = self._pulls(batch, terms)
        norms = self._gradient_norms(tape, pulls)
        updates = [self._autoencoder.update(tape, loss)]
        if self._discriminators:
            wanted = self._allowed(updates, wanted)
            updates.append(
                self._discriminators.update(discriminator_tape, discriminator_loss, wanted)
            )
            self._further_steps(codes, batch, divergence_seed, accuracies, updates)
        return Outcome(terms, loss, updates, norms)

    def _alternating_step(self, batch: Batch, seed: tf.Tensor) -> Outcome:
        reconstruction_seed, code_seed, game_seed, fooling_seed = tf.unstack(
            tf.random.split(seed, 4)
        )
        reconstruction, loss = None, tf.zeros(())
        updates: list[Update] = []
        norms: dict[str, tf.Tensor] = {}
        if self.reconstructs:
            with self._autoencoder.tape(self._tracks_gradients) as tape:
                codes = self.sample_codes(batch, reconstruction_seed, training=True)
                reconstruction = self._reconstruct(batch, codes, training=True)
                loss = self._reconstruction_term(batch, reconstruction)
                pulls = {"reconstruction": loss} if self._tracks_gradients else {}
                loss += self._penalties(self._autoencoder_layers())
            norms |= self._gradient_norms(tape, pulls)
            updates.append(self._autoencoder.update(tape, loss))

        with self._regularizer.tape(self._tracks_gradients) as tape:
            codes = self.sample_codes(batch, code_seed, training=True)
            game: dict[str, DivergenceTerms] = {}
            accuracies = None
            if self._discriminators:
                with self._discriminators.tape() as discriminator_tape:
                    game = self._compare(codes, batch, game_seed, training=True)
                    accuracies = self._watch_games(game)
                    discriminator_loss, wanted = self._game_loss(game, accuracies)
                wanted = self._allowed(updates, wanted)
                updates.append(
                    self._discriminators.update(discriminator_tape, discriminator_loss, wanted)
                )
                self._further_steps(codes, batch, game_seed, accuracies, updates)
            terms = StepTerms(
                reconstruction,
                self._compare(codes, batch, fooling_seed, training=True),
                self.extra_terms(codes, batch, fooling_seed, training=True),
            )
            terms = self._balanced(terms, accuracies)
            regularization = self._regularization(terms)
            pulls = self._pulls(batch, terms._replace(reconstruction=None))
        norms |= self._gradient_norms(tape, pulls)
        updates.append(self._regularizer.update(tape, regularization, self._allowed(updates, None)))
        # The discriminators are judged on the game that they were trained on.
        divergences = {
            code: divergence._replace(
                discriminator_loss=game[code].discriminator_loss,
                discriminator_accuracy=game[code].discriminator_accuracy,
            )
            if code in game
            else divergence
            for code, divergence in terms.divergences.items()
        }
        terms = terms._replace(divergences=divergences)
        return Outcome(terms, loss + regularization, updates, norms)

    # The balance.

    def _watch_games(self, divergences: dict[str, DivergenceTerms]) -> Accuracies | None:
        return self._referee.watch(divergences) if self._referee else None

    def _balanced(self, terms: StepTerms, accuracies: Accuracies | None) -> StepTerms:
        """Notes how much of each adversarial loss the encoder lowers."""
        if self._referee is None or accuracies is None:
            return terms
        return terms._replace(factors=self._referee.encoder_factors(accuracies))

    def _game_loss(
        self,
        divergences: dict[str, DivergenceTerms],
        accuracies: Accuracies | None,
        further: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Gives the discriminators' loss, and whether they step; None where they always do."""
        if self._referee is None or accuracies is None:
            return self._discriminator_loss(divergences), None
        factors, wanted = self._referee.discriminator_factors(accuracies, further)
        return self._discriminator_loss(divergences, factors), wanted

    def _further_steps(
        self,
        codes: Tensors,
        batch: Batch,
        seed: tf.Tensor,
        accuracies: Accuracies | None,
        updates: list[Update],
    ) -> None:
        """Lets the discriminators step again: same codes, new samples of the priors."""
        codes = {name: tf.stop_gradient(code) for name, code in codes.items()}

        def step(player: Player, number: int) -> Update:
            with player.tape() as tape:
                further_seed = tf.random.fold_in(seed, number)
                game = self._compare(codes, batch, further_seed, training=True, games_only=True)
                loss, wanted = self._game_loss(game, accuracies, further=True)
            return player.update(tape, loss, self._allowed(updates, wanted))

        if not self._discriminators:
            return
        needed = None
        # No branch of one replica may hold an optimizer: with several, each update looks itself.
        if self._referee and accuracies and tf.distribute.get_strategy().num_replicas_in_sync == 1:
            _, needed = self._referee.discriminator_factors(accuracies, further=True)
        idle = Update(tf.constant(True), tf.constant(False))
        for number in range(1, self._discriminator_steps):
            again = functools.partial(step, self._discriminators, number)
            updates.append(again() if needed is None else tf.cond(needed, again, lambda: idle))

    def _allowed(self, updates: Sequence[Update], wanted: tf.Tensor | None) -> tf.Tensor | None:
        """Tells the next player whether to move: not on a batch that another has refused."""
        if not updates or self._autoencoder.gate is None:
            return wanted
        accepted = tf.reduce_all(tf.stack([update.accepted for update in updates]))
        return accepted if wanted is None else accepted & wanted

    # The gradients of each term.

    def _pulls(self, batch: Batch, terms: StepTerms) -> dict[str, tf.Tensor]:
        """Gives what each side adds to the encoder's loss, where its gradient is to be logged."""
        if not self._tracks_gradients:
            return {}
        step = self._regularizer.optimizer.iterations
        pulls = {
            code: weight_at(self._divergences[code].weight, step)
            * terms.factors.get(code, 1.0)
            * divergence.encoder_loss
            for code, divergence in terms.divergences.items()
        }
        if terms.reconstruction is not None:
            pulls["reconstruction"] = self._reconstruction_term(batch, terms.reconstruction)
        return pulls

    def _gradient_norms(
        self, tape: tf.GradientTape, pulls: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Gives the norm of each term's gradient at the weights that the divergences move."""
        weights = [v.value for layer in self._regularized_layers() for v in layer.trainable_weights]
        norms = {}
        for name, loss in pulls.items():
            gradients = tape.gradient(loss, weights)
            norms[f"{name}_gradient_norm"] = tf.linalg.global_norm(
                [tf.zeros(()), *(gradient for gradient in gradients if gradient is not None)]
            )
        return norms

    def _games(self) -> list[str]:
        return [code for code, each in self._divergences.items() if each.has_discriminator]

    def _discriminator_tape(self) -> contextlib.AbstractContextManager[Any]:
        return self._discriminators.tape() if self._discriminators else contextlib.nullcontext()
