"""The adversarial autoencoder whose labels say where in the prior a code belongs."""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import divergences, posteriors, priors
from aae_tf.checks import check_dimension
from aae_tf.models.arguments import check_components
from aae_tf.models.base_aae import BaseAAE
from aae_tf.training.terms import Batch, Code, Tensors


@keras.saving.register_keras_serializable(package="aae_tf")
class LabelGuidedAAE(BaseAAE):
    """An `AAE` that draws the codes of class k to the k-th component of its prior.

    Each step is that of `AAE`, but for what the codes are compared with: a code of known class k
    with samples of component k, a code of unknown class with samples of the whole prior. The
    discriminator sees, beside the code, a one-hot vector of the classes and of "unknown"; with
    `divergence="mmd"` the kernel of (code, class) is zero between different classes, and the
    comparison is made within each.

    Args:
        encoder: built Keras model from inputs [batch, ...] to features [batch, feature_dim].
        decoder: built Keras model from codes [batch, code_dim] to outputs of the encoder's
            input shape.
        prior: mixture with one component for each class: `priors.ring_mixture`,
            `priors.swiss_roll`, or any tfd.MixtureSameFamily with event_shape [code_dim].
        num_classes: number of classes, that of the prior's components.
        posterior: "deterministic", "gaussian", "universal", or an instance of
            `aae_tf.posteriors`.
        divergence: "adversarial", "mmd", or what else `divergences.get` takes; also several.
        seed: non-negative integer that fixes the initial weights of the head and of a default
            discriminator, noise and prior samples; None draws anew.
        name: name of the model.
        **kwargs: `extra_terms`, a list of `losses.LossTerm`, see `BaseModel`; and `dtype`.

    Inputs:
        inputs: float [batch, ...], of the encoder's input shape; beside them labels, integers
            [batch], -1 where unknown.

    Returns:
        float [batch, ...]: the reconstruction from the mean code.

    Logs:
        Those of `AAE`.

    Raises:
        TypeError: if a network, the prior, the posterior or the divergence is of a wrong type.
        ValueError: if the shapes do not fit, or the prior has other components than classes.

    Example:

    >>> import numpy as np
    >>> from aae_tf import networks, priors
    >>> model = LabelGuidedAAE(
    ...     encoder=networks.mlp_encoder((4,), units=(16,), seed=1),
    ...     decoder=networks.mlp_decoder((4,), code_dim=2, units=(16,), seed=2),
    ...     prior=priors.ring_mixture(3), num_classes=3, divergence="mmd", seed=0)
    >>> model.compile()
    >>> inputs, labels = np.random.default_rng(0).random((60, 4)), np.arange(60) % 4 - 1
    >>> history = model.fit(inputs, labels, verbose=0)
    >>> model.classify(inputs).shape, model.sample(2, labels=[0, 2], seed=0).shape
    ((60, 3), (2, 4))

    References:
        Makhzani et al. 2016, section 2.3; Rustamov 2019 for `divergence="mmd"`.
    """

    labels = "some"
    classifies = True

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        prior: tfp.distributions.Distribution,
        num_classes: int,
        posterior: str | posteriors.Posterior = "deterministic",
        divergence: divergences.Identifier = "adversarial",
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        num_classes = check_dimension("num_classes", num_classes)
        check_components(prior, num_classes)
        divergence = divergences.get(divergence)
        super().__init__(
            encoder,
            decoder,
            prior,
            posterior,
            codes={"latent": Code(prior, divergence, num_classes=num_classes)},
            num_classes=num_classes,
            seed=seed,
            name=name,
            **kwargs,
        )
        self.prior = prior
        self.divergence = divergence

    def encode_codes(self, inputs: tf.Tensor) -> Tensors:
        """Gives the mean code, and the probability of each component given that code."""
        codes = super().encode_codes(inputs)
        return {**codes, "class_probabilities": self._responsibilities(codes["latents"])}

    def compare_arguments(self, code: str, batch: Batch) -> dict[str, tf.Tensor]:
        """Tells the divergence the labels; no labels at all are unknown ones."""
        unknown = tf.fill(tf.shape(batch.inputs)[:1], -1)
        return {"labels": unknown if batch.labels is None else batch.labels}

    def seed_codes(self, seeds: tf.Tensor, labels: tf.Tensor | None = None) -> Tensors:
        """Draws z from the component of its label, or from the whole prior."""
        return {"latents": priors.sample_rows(self.prior, seeds, labels)}

    def _responsibilities(self, latents: tf.Tensor) -> tf.Tensor:
        """Gives p(component | z) by Bayes' rule, [batch, num_classes]."""
        components = self.prior.components_distribution
        weights = self.prior.mixture_distribution.probs_parameter()
        log_joint = components.log_prob(latents[:, tf.newaxis]) + tf.math.log(weights)
        return tf.nn.softmax(tf.cast(log_joint, tf.float32))
