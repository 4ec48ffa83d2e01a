"""The adversarial autoencoder of Makhzani et al. 2016, figure 1."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import divergences, posteriors, priors
from aae_tf.models.base_aae import BaseAAE
from aae_tf.models.check_prior import check_prior
from aae_tf.models.codec import Tensors


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
        divergence: "adversarial", "mmd", or an instance of `aae_tf.divergences`.
        seed: non-negative integer that fixes the initial weights of the head and of a default
            discriminator, noise and prior samples; None draws anew.
        name: name of the model.

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

    >>> from aae_tf import networks, priors
    >>> model = AAE(
    ...     encoder=networks.mlp_encoder((8, 8, 1), units=(32,), seed=1),
    ...     decoder=networks.mlp_decoder((8, 8, 1), code_dim=2, units=(32,), seed=2),
    ...     prior=priors.gaussian(2), divergence="mmd", seed=0)
    >>> model.compile(optimizer=keras.optimizers.Adam(1e-3))
    >>> images = np.random.default_rng(0).random((64, 8, 8, 1), dtype="float32")
    >>> history = model.fit(images, epochs=2, verbose=0)
    >>> sorted(history.history)
    ['latent_divergence', 'loss', 'reconstruction_loss']
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
        divergence: str | divergences.Divergence = "adversarial",
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        code_dim = check_prior("prior", prior)
        posterior = posteriors.get(posterior)
        divergence = divergences.get(divergence)
        super().__init__(
            encoder,
            decoder,
            divergences={"latent": divergence},
            code_outputs={"latent": "latents"},
            seed=seed,
            name=name,
            **kwargs,
        )
        if decoder.input_shape != (None, code_dim):
            raise ValueError(
                f"Expected `decoder` to take codes of the prior's width, [batch, {code_dim}]. "
                f"Received: decoder with input_shape={decoder.input_shape}, "
                f"prior with event_shape={tuple(prior.event_shape)}."
            )
        head_seed, divergence_seed = np.random.SeedSequence(seed).generate_state(2)
        # What may be refused comes first, so that an instance can be given again.
        divergence.connect(prior, seed=int(divergence_seed))
        posterior.connect(encoder.output_shape[1], code_dim, seed=int(head_seed))
        self.prior = prior
        self.posterior = posterior
        self.divergence = divergence

    def sample_codes(self, inputs: tf.Tensor, seed: tf.Tensor, training: bool) -> Tensors:
        """Draws one code z ~ q(z|x) per input."""
        parameters = self.posterior(self.encoder(inputs, training=training))
        return {"latents": self.posterior.sample(parameters, seed)}

    def mean_codes(self, inputs: tf.Tensor) -> Tensors:
        """Gives the mean of q(z|x) for each input."""
        return {
            "latents": self.posterior.mean(self.posterior(self.encoder(inputs, training=False)))
        }

    def seed_codes(self, seeds: tf.Tensor) -> Tensors:
        """Draws z ~ p(z), row i from seeds[i] alone."""
        return {"latents": priors.sample_rows(self.prior, seeds)}

    def decoder_inputs(self, codes: Tensors) -> tf.Tensor:
        """Gives the decoder the code itself."""
        return codes["latents"]

    def prior_log_prob(self, codes: Tensors) -> tf.Tensor:
        """Gives log p(z), nats."""
        return self.prior.log_prob(codes["latents"])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, as they are in use.

        Raises:
            ValueError: if the prior cannot be saved; the message says why.
        """
        return {
            **super().get_config(),
            "prior": priors.serialize(self.prior),
            "posterior": keras.saving.serialize_keras_object(self.posterior),
            "divergence": keras.saving.serialize_keras_object(self.divergence),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "AAE":
        """Builds the model from what `get_config` returned."""
        config = dict(config)
        for key in ("encoder", "decoder", "posterior", "divergence"):
            config[key] = keras.saving.deserialize_keras_object(config[key])
        config["prior"] = priors.deserialize(config["prior"])
        return cls(**config)
