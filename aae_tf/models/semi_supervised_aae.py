"""The adversarial autoencoder that classifies with few labels."""

from typing import Any

import keras
import numpy as np
import tensorflow_probability as tfp

from aae_tf import data, divergences, losses, posteriors
from aae_tf.losses.weights import Weight
from aae_tf.models.class_style_aae import ClassStyleAAE


@keras.saving.register_keras_serializable(package="aae_tf")
class SemiSupervisedAAE(ClassStyleAAE):
    """A class q(y|x) and a style q(z|x), both matched to priors; labels enter where known.

    Each step lowers, for encoder and decoder,

        E_x [ reconstruction loss(x, decoder(z, y)) ]
        + weight * divergence(q(z), style prior) + weight * divergence(q(y), class prior)
        + classification_weight * E [ -log q(label|x) ]      over the rows of known label

    and, if they are given, consistency and information terms of q(y|x); and the discriminators'
    losses for the discriminators. The decoder receives style and class probabilities side by
    side.

    Give `fit` the batches of `data.mix_labels`, so that each holds some of the few labels.

    Args:
        encoder: built Keras model from inputs [batch, ...] to features [batch, feature_dim]; the
            heads of class and style come on top.
        decoder: built Keras model from [batch, style_dim + num_classes], style and class
            probabilities, to outputs of the encoder's input shape.
        style_prior: any tfd.Distribution with event_shape [style_dim] and no batch shape.
        num_classes: number of classes, at least 2.
        class_prior: tfd.OneHotCategorical of float32 with `num_classes` outcomes, such as
            `priors.from_labels` makes; None is uniform.
        posterior: of the style: "deterministic", "gaussian", "universal", or an instance of
            `aae_tf.posteriors`.
        style_divergence: "adversarial", "mmd", or what else `divergences.get` takes; also several.
        class_divergence: the same for the class code; None leaves it unmatched.
        classification_weight: factor of the cross-entropy: a number, zero or more, or a Keras
            schedule of the steps made.
        consistency: "virtual_adversarial" or a `losses.VirtualAdversarial`: q(y|x) shall not
            change where the input does in the direction that changes it most; None leaves it out.
        information: "mutual_information" or a `losses.MutualInformation`: q(y|x) shall be sure of
            each input and use all classes; None leaves it out.
        seed: non-negative integer that fixes initial weights, noise and prior samples; None draws
            anew.
        name: name of the model.
        **kwargs: `extra_terms`, a list of `losses.LossTerm`, see `BaseModel`; and `dtype`.

    Inputs:
        inputs: float [batch, ...], of the encoder's input shape; beside them labels, integers
            [batch], -1 where unknown.

    Returns:
        float [batch, ...]: the reconstruction from the mean style and q(y|x).

    Logs:
        `loss`, `reconstruction_loss`; `style_divergence` and `class_divergence`, with the
        discriminators' losses and accuracies as in `AAE`; `classification_loss`, nats, and
        `accuracy` in [0, 1], over the rows of known label; `consistency_loss` and
        `information_loss`, nats, where in use.

    Raises:
        TypeError: if an argument is of a wrong type.
        ValueError: if the shapes do not fit, or an argument is out of its range.

    Example:

    >>> from aae_tf import networks, priors
    >>> model = SemiSupervisedAAE(
    ...     encoder=networks.mlp_encoder((4,), units=(16,), seed=1),
    ...     decoder=networks.mlp_decoder((4,), code_dim=2 + 3, units=(16,), seed=2),
    ...     style_prior=priors.gaussian(2), num_classes=3, class_divergence="mmd", seed=0)
    >>> model.compile()
    >>> inputs, labels = np.random.default_rng(0).random((60, 4)), np.arange(60) % 4 - 1
    >>> history = model.fit(inputs, labels, verbose=0)
    >>> model.classify(inputs).shape, model.encode(inputs).shape
    ((60, 3), (60, 2))

    References:
        Makhzani et al. 2016, section 5. Differs: the paper has no consistency and no information
        term; those are of Miyato et al. 2018 and Krause et al. 2010.
    """

    labels = "some"

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        style_prior: tfp.distributions.Distribution,
        num_classes: int,
        class_prior: tfp.distributions.Distribution | None = None,
        posterior: str | posteriors.Posterior = "deterministic",
        style_divergence: divergences.Identifier = "adversarial",
        class_divergence: divergences.Identifier | None = "adversarial",
        classification_weight: Weight = 1.0,
        consistency: str | losses.VirtualAdversarial | None = None,
        information: str | losses.MutualInformation | None = None,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            encoder,
            decoder,
            style_prior,
            num_classes,
            class_prior,
            posterior,
            style_divergence,
            class_divergence,
            classification_weight,
            consistency,
            information,
            seed,
            name,
            **kwargs,
        )

    def check_labels(self, labels: np.ndarray | None) -> None:
        """Warns where the class frequencies of known labels are not those of the class prior."""
        if labels is not None:
            data.warn_class_frequencies(labels, self.class_prior.mean().numpy())
