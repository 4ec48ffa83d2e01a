"""The adversarial autoencoder of Makhzani et al. 2016, figure 1."""

from typing import Any

import keras
import tensorflow_probability as tfp

from aae_tf import divergences, posteriors
from aae_tf.models.base_aae import BaseAAE
from aae_tf.training.terms import Code


@keras.saving.register_keras_serializable(package="aae_tf")
class AAE(BaseAAE):
    """An autoencoder whose aggregated posterior q(z) is matched to a prior p(z).

    Each step lowers

        E_x [ reconstruction loss(x, decoder(z)) ] + weight * divergence(q, p),  z ~ q(z|x)

    for encoder and decoder, and the discriminator's loss for the discriminator, if the
    divergence has one.

    Args:
        encoder: built Keras model from inputs [batch, ...] to features [batch, feature_dim]; the
            model adds the posterior's head.
        decoder: built Keras model from codes [batch, code_dim] to outputs of the encoder's
            input shape.
        prior: any tfd.Distribution with event_shape [code_dim] and no batch shape; held
            constant.
        posterior: "deterministic", "gaussian", "universal", or an instance of
            `aae_tf.posteriors`.
        divergence: "adversarial", "mmd", or what else `divergences.get` takes; also several.
        seed: non-negative integer that fixes the initial weights of the head and of a default
            discriminator, noise and prior samples; None draws anew.
        name: name of the model.
        **kwargs: `extra_terms`, a list of `losses.LossTerm`, see `BaseModel`; and `dtype`.

    Inputs:
        inputs: float [batch, ...], of the encoder's input shape. Labels beside them are ignored.

    Returns:
        float [batch, ...]: the reconstruction from the mean code.

    Logs:
        `loss`: what encoder and decoder lower, nats summed over features, averaged over the
        batch. `reconstruction_loss`: its first term; under `sample_weight` the mean with those
        weights, while Keras divides the term by the batch. `latent_divergence`: the divergence,
        without its weight. `latent_discriminator_loss`, `latent_discriminator_accuracy`: see
        `divergences.Adversarial`. Keras knows the good side of `loss` alone: give its callbacks
        `mode="min"` with the others.

    Raises:
        TypeError: if a network, the prior, the posterior or the divergence is of a wrong type.
        ValueError: if the shapes do not fit, or the prior cannot be used.

    Example:

    >>> import numpy as np
    >>> from aae_tf import networks, priors
    >>> model = AAE(
    ...     encoder=networks.mlp_encoder((8, 8, 1), units=(32,), seed=1),
    ...     decoder=networks.mlp_decoder((8, 8, 1), code_dim=2, units=(32,), seed=2),
    ...     prior=priors.gaussian(2), divergence="mmd", seed=0)
    >>> model.compile(optimizer=keras.optimizers.Adam(1e-3))
    >>> images = np.random.default_rng(0).random((64, 8, 8, 1), dtype="float32")
    >>> history = model.fit(images, epochs=2, verbose=0)
    >>> sorted(history.history)
    ['latent_divergence', 'loss', 'reconstruction_loss', 'skipped_updates']
    >>> model.encode(images).shape
    (64, 2)

    References:
        Makhzani et al. 2016, section 2; Tolstikhin et al. 2018 for `divergence="mmd"`.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        prior: tfp.distributions.Distribution,
        posterior: str | posteriors.Posterior = "deterministic",
        divergence: divergences.Identifier = "adversarial",
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        divergence = divergences.get(divergence)
        super().__init__(
            encoder,
            decoder,
            prior,
            posterior,
            codes={"latent": Code(prior, divergence)},
            seed=seed,
            name=name,
            **kwargs,
        )
        self.prior = prior
        self.divergence = divergence
