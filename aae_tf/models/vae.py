"""The variational autoencoder, a baseline."""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import losses, posteriors
from aae_tf.checks import resolve
from aae_tf.losses.weights import Weight, check_weight
from aae_tf.models.base_aae import BaseAAE
from aae_tf.training.terms import Batch, Code, ExtraTerm, Tensors


@keras.saving.register_keras_serializable(package="aae_tf")
class VAE(BaseAAE):
    """An autoencoder that draws each q(z|x), a Gaussian, to the prior.

    Each step lowers

        E_x [ reconstruction loss(x, decoder(z)) + kl_weight * KL(q(z|x) || p(z)) ],  z ~ q(z|x)

    the negative evidence lower bound where the loss is a log-likelihood. The KL is exact for
    Gaussian priors and estimated from z for others.

    Args:
        encoder: built Keras model from inputs [batch, ...] to features [batch, feature_dim].
        decoder: built Keras model from codes [batch, code_dim] to outputs of the encoder's
            input shape.
        prior: tfd.Distribution with a density, event_shape [code_dim] and no batch shape.
        posterior: "gaussian" or a `posteriors.Gaussian`.
        kl_weight: factor of the KL: a number, zero or more, or a Keras schedule of the steps made.
        seed: non-negative integer that fixes the initial weights of the head and noise; None
            draws anew.
        name: name of the model.
        **kwargs: `extra_terms`, a list of `losses.LossTerm`, see `BaseModel`; and `dtype`.

    Inputs:
        inputs: float [batch, ...], of the encoder's input shape. Labels beside them are ignored.

    Returns:
        float [batch, ...]: the reconstruction from the mean code.

    Logs:
        `loss`, `reconstruction_loss`, and `latent_divergence`, the mean KL in nats.

    Raises:
        TypeError: if an argument is of a wrong type.
        ValueError: if the shapes do not fit, or an argument is out of its range.

    Example:

    >>> import numpy as np
    >>> from aae_tf import networks, priors
    >>> model = VAE(
    ...     encoder=networks.mlp_encoder((4,), units=(16,), seed=1),
    ...     decoder=networks.mlp_decoder((4,), code_dim=2, units=(16,), seed=2),
    ...     prior=priors.gaussian(2), seed=0)
    >>> model.compile(reconstruction_loss="bernoulli")
    >>> history = model.fit(np.random.default_rng(0).random((60, 4)), verbose=0)
    >>> sorted(history.history)
    ['latent_divergence', 'loss', 'reconstruction_loss', 'skipped_updates']

    References:
        Kingma and Welling 2014, *Auto-Encoding Variational Bayes*; the baseline of Makhzani et
        al. 2016, section 2.2.
    """

    # Its two terms are one bound: moved apart, they would be weighed by two optimizers.
    schedules = ("joint",)

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        prior: tfp.distributions.Distribution,
        posterior: str | posteriors.Gaussian = "gaussian",
        kl_weight: Weight = 1.0,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        posterior = resolve(
            "posterior", posterior, posteriors.Gaussian, {"gaussian": posteriors.Gaussian}
        )
        divergence = losses.KullbackLeibler(check_weight("kl_weight", kl_weight))
        super().__init__(
            encoder,
            decoder,
            prior,
            posterior,
            codes={"latent": Code(prior, None)},
            seed=seed,
            name=name,
            **kwargs,
        )
        self.prior = prior
        self.kl_weight = divergence.weight
        self._divergence = divergence

    def sample_codes(self, batch: Batch, seed: tf.Tensor, training: bool) -> Tensors:
        """Draws z ~ q(z|x), and gives the parameters of q(z|x)."""
        parameters = self.posterior(self.features(batch.inputs, training), training=training)
        return {"latents": self.posterior.sample(parameters, seed, training), **parameters}

    def extra_terms(
        self, codes: Tensors, batch: Batch, seed: tf.Tensor, training: bool
    ) -> dict[str, ExtraTerm]:
        """Measures the KL of each posterior from the prior."""
        loss = self._divergence(
            codes["mean"], codes["log_variance"], self.prior, codes["latents"], batch.sample_weight
        )
        return {self._divergence.log_key: ExtraTerm(loss, self.kl_weight)}
