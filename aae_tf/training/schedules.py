"""The players of a model, and the two orders in which they move."""

import contextlib
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from aae_tf import replicas
from aae_tf.divergences import DivergenceTerms
from aae_tf.losses.weights import weight_at
from aae_tf.models.generator import Tensors
from aae_tf.models.objective import Objective
from aae_tf.models.player import Player, Update
from aae_tf.models.referee import Rates, Referee
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
            self._steepness_tape() as steepness_tape,
        ):
            codes = self.sample_codes(batch, code_seed, training=True)
            self._watch_codes(steepness_tape, codes)
            terms = self._measure_codes(batch, codes, divergence_seed, training=True)
            loss = self._encoder_loss(batch, terms)
            discriminator_loss = self._discriminator_loss(terms.divergences)
            pulls = self._pulls(batch, terms)
        observed = self._gradient_norms(self._autoencoder, tape, pulls)
        updates = [self._autoencoder.update(tape, loss)]
        if self._discriminators:
            rates = self._rates(steepness_tape, codes, terms.divergences)
            observed |= rates.logs
            updates.append(
                self._discriminators.update(
                    discriminator_tape, discriminator_loss, self._allowed(updates), rates.factors
                )
            )
            self._further_steps(codes, batch, divergence_seed, rates, updates)
        return Outcome(terms, loss, updates, observed)

    def _alternating_step(self, batch: Batch, seed: tf.Tensor) -> Outcome:
        reconstruction_seed, code_seed, game_seed, fooling_seed = tf.unstack(
            tf.random.split(seed, 4)
        )
        reconstruction, loss = None, tf.zeros(())
        updates: list[Update] = []
        observed: dict[str, tf.Tensor] = {}
        if self.reconstructs:
            with self._autoencoder.tape(self._tracks_gradients) as tape:
                codes = self.sample_codes(batch, reconstruction_seed, training=True)
                reconstruction = self._reconstruct(batch, codes, training=True)
                loss = self._reconstruction_term(batch, reconstruction)
                pulls = {"reconstruction": loss} if self._tracks_gradients else {}
                loss += self._penalties(self._autoencoder_layers())
            observed |= self._gradient_norms(self._autoencoder, tape, pulls)
            updates.append(self._autoencoder.update(tape, loss))

        with self._regularizer.tape(self._tracks_gradients) as tape:
            codes = self.sample_codes(batch, code_seed, training=True)
            game: dict[str, DivergenceTerms] = {}
            if self._discriminators:
                with (
                    self._discriminators.tape() as discriminator_tape,
                    self._steepness_tape() as steepness_tape,
                ):
                    self._watch_codes(steepness_tape, codes)
                    game = self._compare(codes, batch, game_seed, training=True)
                    discriminator_loss = self._discriminator_loss(game)
                rates = self._rates(steepness_tape, codes, game)
                observed |= rates.logs
                allowed = self._allowed(updates)
                updates.append(
                    self._discriminators.update(
                        discriminator_tape, discriminator_loss, allowed, rates.factors
                    )
                )
                self._further_steps(codes, batch, game_seed, rates, updates)
            terms = StepTerms(
                reconstruction,
                # The discriminators are judged on the game that they were trained on.
                self._compare(codes, batch, fooling_seed, training=True, judged=game),
                self.extra_terms(codes, batch, fooling_seed, training=True),
            )
            regularization = self._regularization(terms)
            pulls = self._pulls(batch, terms._replace(reconstruction=None))
        observed |= self._gradient_norms(self._regularizer, tape, pulls)
        updates.append(self._regularizer.update(tape, regularization, self._allowed(updates)))
        return Outcome(terms, loss + regularization, updates, observed)

    # The balance.

    def _steepness_tape(self) -> contextlib.AbstractContextManager[Any]:
        if self._referee is None:
            return contextlib.nullcontext()
        return tf.GradientTape(persistent=True, watch_accessed_variables=False)

    def _watch_codes(self, tape: tf.GradientTape | None, codes: Tensors) -> None:
        if tape is not None:
            tape.watch([codes[self.codes[code].output] for code in self._games()])

    def _rates(
        self,
        tape: tf.GradientTape | None,
        codes: Tensors,
        divergences: dict[str, DivergenceTerms],
    ) -> Rates:
        """Gives the factors of the discriminators' rates."""
        if self._referee is None or tape is None:
            return Rates(None, {})
        outputs = {code: codes[self.codes[code].output] for code in self._games()}
        return self._referee.rates(tape, outputs, divergences)

    def _further_steps(
        self,
        codes: Tensors,
        batch: Batch,
        seed: tf.Tensor,
        rates: Rates,
        updates: list[Update],
    ) -> None:
        """Lets the discriminators step again: same codes, new samples of the priors."""
        codes = {name: tf.stop_gradient(code) for name, code in codes.items()}
        if self._discriminators is None:
            return
        for number in range(1, self._discriminator_steps):
            with self._discriminators.tape() as tape:
                further_seed = tf.random.fold_in(seed, number)
                game = self._compare(codes, batch, further_seed, training=True, games_only=True)
                loss = self._discriminator_loss(game)
            allowed = self._allowed(updates)
            updates.append(self._discriminators.update(tape, loss, allowed, rates.factors))

    def _allowed(self, updates: Sequence[Update]) -> tf.Tensor | None:
        """Tells the next player whether to move: not on a batch that another has refused."""
        if not updates or self._autoencoder.gate is None:
            return None
        return tf.reduce_all(tf.stack([update.accepted for update in updates]))

    # The gradients of each term.

    def _pulls(self, batch: Batch, terms: StepTerms) -> dict[str, tf.Tensor]:
        """Gives what each side adds to the encoder's loss, where its gradient is to be logged."""
        if not self._tracks_gradients:
            return {}
        step = self._regularizer.optimizer.iterations
        pulls = {
            code: weight_at(self._divergences[code].weight, step) * divergence.encoder_loss
            for code, divergence in terms.divergences.items()
        }
        if terms.reconstruction is not None:
            pulls["reconstruction"] = self._reconstruction_term(batch, terms.reconstruction)
        return pulls

    def _gradient_norms(
        self, player: Player, tape: tf.GradientTape, pulls: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Gives the norm of each term's gradient at the weights that the divergences move."""
        weights = [v.value for layer in self._regularized_layers() for v in layer.trainable_weights]
        norms = {}
        for name, loss in pulls.items():
            # As in the player's own step: on their way through float16 they would vanish.
            scale = player.optimizer.scale_loss(tf.ones_like(loss))
            found = tape.gradient(loss, weights, output_gradients=scale)
            gradients = replicas.replica_mean([each for each in found if each is not None])
            norm = tf.linalg.global_norm([tf.zeros(()), *gradients])
            norms[f"{name}_gradient_norm"] = norm / scale
        return norms

    def _games(self) -> list[str]:
        return [code for code, each in self._divergences.items() if each.has_discriminator]

    def _discriminator_tape(self) -> contextlib.AbstractContextManager[Any]:
        return self._discriminators.tape() if self._discriminators else contextlib.nullcontext()
