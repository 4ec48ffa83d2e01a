"""The adversarial autoencoder that finds clusters without labels."""

from typing import Any

import keras
import tensorflow_probability as tfp

from aae_tf import divergences, losses, posteriors
from aae_tf.models.class_style_aae import ClassStyleAAE


@keras.saving.register_keras_serializable(package="aae_tf")
class ClusteringAAE(ClassStyleAAE):
    """A cluster q(y|x) and a style q(z|x), both matched to priors; there are no labels.

    Each step lowers, for encoder and decoder,

        E_x [ reconstruction loss(x, decoder(z, y)) ]
        + weight * divergence(q(z), style prior) + weight * divergence(q(y), class prior)

    and, if they are given, consistency and information terms of q(y|x); and the discriminators'
    losses for the discriminators. What a one-hot y can tell of an input it tells; the style keeps
    the rest. `evaluation.clustering_scores` compares clusters with classes.

    Args:
        encoder: built Keras model from inputs [batch, ...] to features [batch, feature_dim]; the
            heads of cluster and style come on top.
        decoder: built Keras model from [batch, style_dim + num_clusters], style and cluster
            probabilities, to outputs of the encoder's input shape.
        style_prior: any tfd.Distribution with event_shape [style_dim] and no batch shape.
        num_clusters: number of clusters, at least 2; more than there are classes is usual.
        class_prior: tfd.OneHotCategorical of float32 with `num_clusters` outcomes, the share of
            each cluster; None is uniform.
        posterior: of the style: "deterministic", "gaussian", "universal", or an instance of
            `aae_tf.posteriors`.
        style_divergence: "adversarial", "mmd", or what else `divergences.get` takes; also several.
        class_divergence: the same for the cluster code; None leaves it unmatched.
        consistency: "virtual_adversarial" or a `losses.VirtualAdversarial`, see
            `SemiSupervisedAAE`; None leaves it out.
        information: "mutual_information" or a `losses.MutualInformation`; None leaves it out.
        seed: non-negative integer that fixes initial weights, noise and prior samples; None draws
            anew.
        name: name of the model.
        **kwargs: `extra_terms`, a list of `losses.LossTerm`, see `BaseModel`; and `dtype`.

    Inputs:
        inputs: float [batch, ...], of the encoder's input shape. Labels beside them are ignored.

    Returns:
        float [batch, ...]: the reconstruction from the mean style and q(y|x).

    Logs:
        Those of `SemiSupervisedAAE`, without classification.

    Raises:
        TypeError: if an argument is of a wrong type.
        ValueError: if the shapes do not fit, or an argument is out of its range.

    Example:

    >>> import numpy as np
    >>> from aae_tf import networks, priors
    >>> model = ClusteringAAE(
    ...     encoder=networks.mlp_encoder((4,), units=(16,), seed=1),
    ...     decoder=networks.mlp_decoder((4,), code_dim=2 + 5, units=(16,), seed=2),
    ...     style_prior=priors.gaussian(2), num_clusters=5, seed=0)
    >>> model.compile()
    >>> inputs = np.random.default_rng(0).random((60, 4))
    >>> history = model.fit(inputs, verbose=0)
    >>> model.classify(inputs).shape
    (60, 5)

    References:
        Makhzani et al. 2016, section 6. Consistency and information: Hu et al. 2017 (IMSAT).
    """

    classes_argument = "num_clusters"

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        style_prior: tfp.distributions.Distribution,
        num_clusters: int,
        class_prior: tfp.distributions.Distribution | None = None,
        posterior: str | posteriors.Posterior = "deterministic",
        style_divergence: divergences.Identifier = "adversarial",
        class_divergence: divergences.Identifier | None = "adversarial",
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
            num_clusters,
            class_prior,
            posterior,
            style_divergence,
            class_divergence,
            classification_weight=0.0,
            consistency=consistency,
            information=information,
            seed=seed,
            name=name,
            **kwargs,
        )
        self.num_clusters = self.num_classes
