"""The generative adversarial network, a baseline without an encoder."""

import math
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import divergences, priors
from aae_tf.export.nan_rows import nan_rows
from aae_tf.models.arguments import check_network, check_prior
from aae_tf.models.base_model import BaseModel
from aae_tf.training.terms import Batch, Code, Tensors


@keras.saving.register_keras_serializable(package="aae_tf")
class GAN(BaseModel):
    """A decoder whose samples are matched to the data themselves.

    Each step draws z ~ p(z) and lowers

        weight * divergence(decoder(z), data)

    for the decoder, and the discriminator's loss for the discriminator; here the data are what is
    real, and outputs, flattened, what is generated. The same train step as the other models', with
    nothing to reconstruct.

    Args:
        decoder: built Keras model from codes [batch, code_dim] to outputs [batch, ...].
        prior: any tfd.Distribution with event_shape [code_dim] and no batch shape.
        divergence: "adversarial", or what else `divergences.get` takes. A default discriminator
            and a default kernel are made for values in [0, 1].
        seed: non-negative integer that fixes the initial weights of a default discriminator and
            prior samples; None draws anew.
        name: name of the model.
        **kwargs: `extra_terms`, a list of `losses.LossTerm`, see `BaseModel`; and `dtype`.

    Inputs:
        inputs: float [batch, ...], of the decoder's output shape. Labels beside them are ignored.
        Calling the model decodes codes [batch, code_dim].

    Returns:
        float [batch, ...]: decoded codes.

    Logs:
        `loss`; `sample_divergence`, `sample_discriminator_loss` and
        `sample_discriminator_accuracy`: see `divergences.Adversarial`.

    Raises:
        TypeError: if an argument is of a wrong type.
        ValueError: if the shapes do not fit.

    Example:

    >>> import numpy as np
    >>> from aae_tf import networks, priors
    >>> model = GAN(networks.mlp_decoder((4,), code_dim=2, units=(16,), seed=2),
    ...             prior=priors.gaussian(2), seed=0)
    >>> model.compile(keras.optimizers.Adam(2e-4, beta_1=0.5))
    >>> history = model.fit(np.random.default_rng(0).random((60, 4)), verbose=0)
    >>> model.sample(5, seed=0).shape
    (5, 4)

    References:
        Goodfellow et al. 2014, *Generative Adversarial Nets*, algorithm 1.
    """

    reconstructs = False

    def __init__(
        self,
        decoder: keras.Model,
        prior: tfp.distributions.Distribution,
        divergence: divergences.Identifier = "adversarial",
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        code_dim = check_prior("prior", prior)
        divergence = divergences.get(divergence)
        check_network("decoder", decoder)
        if decoder.input_shape != (None, code_dim):
            raise ValueError(
                f"Expected `decoder` to take codes of the prior's width, [batch, {code_dim}]. "
                f"Received: decoder with input_shape={decoder.input_shape}, "
                f"prior with event_shape={tuple(prior.event_shape)}."
            )
        # What is known of data before any is seen: their range.
        pixels = priors.uniform(math.prod(decoder.output_shape[1:]), low=0.0, high=1.0)
        code = Code(pixels, divergence, output="samples")
        if any(getattr(each, "standardized", False) for each in code.divergences.values()):
            raise ValueError(
                "Expected `divergence` not to be standardized: the noise is known against a prior, "
                f"and not against data. Received: divergence={divergence!r} with standardized=True."
            )
        super().__init__(
            decoder,
            codes={"sample": code},
            seed=seed,
            name=name,
            **kwargs,
        )
        self.prior = prior
        self.divergence = divergence

    @nan_rows
    def call(self, latents: tf.Tensor) -> tf.Tensor:
        """Decodes codes; a row that is not finite gives NaN."""
        return self.decode_codes({"latents": latents})

    def sample_codes(self, batch: Batch, seed: tf.Tensor, training: bool) -> Tensors:
        """Draws z ~ p(z) for each row of the batch, and gives the outputs, flattened."""
        latents = priors.sample(self.prior, tf.shape(batch.inputs)[0], seed)
        outputs = self.decoder(self.decoder_inputs({"latents": latents}), training=training)
        return {"latents": latents, "samples": _flat(outputs)}

    def compare_arguments(self, code: str, batch: Batch) -> dict[str, tf.Tensor]:
        """Gives the divergence the data to compare with."""
        return {"real": _flat(batch.inputs)}

    def seed_codes(self, seeds: tf.Tensor, labels: tf.Tensor | None = None) -> Tensors:
        """Draws z ~ p(z), row i from seeds[i] alone."""
        return {"latents": priors.sample_rows(self.prior, seeds)}


def _flat(rows: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.reshape(rows, [tf.shape(rows)[0], math.prod(rows.shape[1:])]), tf.float32)
