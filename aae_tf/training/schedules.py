"""The two schedules: in which order one training step measures losses and updates variables."""

import tensorflow as tf

from aae_tf.training.terms import Batch, LossTerms, StepResult, Tensors, Update
from aae_tf.training.trainer import Step, Trainer


def joint_step(trainer: Trainer, batch: Batch, seed: tf.Tensor) -> StepResult:
    """Updates everything after one pass of encoder and decoder.

    Encoder and decoder lower reconstruction + sum of weight * divergence + extra terms, the
    discriminators lower their own losses, all on the same codes.

    Args:
        trainer: has the updaters and the objective.
        batch: what is trained on.
        seed: int32 [2]; fixes codes, prior samples and noise.
    """
    objective = trainer.objective
    code_seed, divergence_seed = tf.unstack(tf.random.split(seed, 2))
    with (
        trainer.autoencoder.tape(trainer.log_gradient_norms) as tape,
        trainer.discriminator_tapes() as discriminator_tapes,
    ):
        codes = trainer.sample_codes(batch, code_seed, discriminator_tapes)
        terms = objective.measure(batch, codes, divergence_seed, training=True)
        loss = objective.encoder_loss(batch, terms)
        discriminator_loss = objective.discriminator_loss(terms.divergences)
        weighted = trainer.weighted_terms(batch, terms)
    logs = trainer.gradient_norms(trainer.autoencoder, tape, weighted)
    updates = [trainer.autoencoder.update(tape, loss)]
    logs |= trainer.update_discriminators(
        discriminator_tapes,
        discriminator_loss,
        terms.divergences,
        codes,
        batch,
        divergence_seed,
        updates,
    )
    return StepResult(terms, loss, updates, logs)


def alternating_step(trainer: Trainer, batch: Batch, seed: tf.Tensor) -> StepResult:
    """Updates in the order of the paper: reconstruction, discriminators, encoder.

    Encoder and decoder lower the reconstruction loss. Then, on fresh codes, the discriminators
    lower their losses, and the encoder lowers the divergences, against the discriminators just
    updated, and the extra terms.

    Args:
        trainer: has the updaters and the objective.
        batch: what is trained on.
        seed: int32 [2]; fixes codes, prior samples and noise.

    References:
        Makhzani et al. 2016, section 2: "reconstruction phase" and "regularization phase".
    """
    objective = trainer.objective
    reconstruction_seed, code_seed, discriminator_seed, encoder_seed = tf.unstack(
        tf.random.split(seed, 4)
    )
    reconstruction, outputs, loss = None, None, tf.zeros(())
    updates: list[Update] = []
    logs: Tensors = {}

    # The reconstruction phase.
    if trainer.model.reconstructs:
        with trainer.autoencoder.tape(trainer.log_gradient_norms) as tape:
            codes = trainer.sample_codes(batch, reconstruction_seed)
            reconstruction, outputs = objective.reconstruction(batch, codes, training=True)
            weighted_reconstruction = objective.weighted_reconstruction(batch, reconstruction)
            loss = weighted_reconstruction + objective.autoencoder_penalties()
        logs |= trainer.gradient_norms(
            trainer.autoencoder, tape, {"reconstruction": weighted_reconstruction}
        )
        updates.append(trainer.autoencoder.update(tape, loss))

    # The regularization phase.
    with trainer.regularizer.tape(trainer.log_gradient_norms) as tape:
        with trainer.discriminator_tapes() as discriminator_tapes:
            codes = trainer.sample_codes(batch, code_seed, discriminator_tapes)
            discriminated = trainer.discriminate(codes, batch, discriminator_seed)
            discriminator_loss = objective.discriminator_loss(discriminated)
        logs |= trainer.update_discriminators(
            discriminator_tapes,
            discriminator_loss,
            discriminated,
            codes,
            batch,
            discriminator_seed,
            updates,
        )
        terms = LossTerms(
            reconstruction,
            # The losses of the discriminators are those that they were updated on.
            objective.compare(
                codes, batch, encoder_seed, training=True, discriminated=discriminated
            ),
            objective.extra_terms(codes, batch, encoder_seed, training=True),
            outputs,
        )
        regularization = objective.regularization(terms)
        weighted = trainer.weighted_terms(batch, terms._replace(reconstruction=None))
    logs |= trainer.gradient_norms(trainer.regularizer, tape, weighted)
    updates.append(trainer.regularizer.update(tape, regularization, trainer.all_accepted(updates)))
    return StepResult(terms, loss + regularization, updates, logs)


SCHEDULES: dict[str, Step] = {"joint": joint_step, "alternating": alternating_step}
