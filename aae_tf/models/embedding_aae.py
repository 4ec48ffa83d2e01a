"""The adversarial autoencoder that reduces dimensions: a style around the head of its cluster."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import data, divergences, losses, posteriors
from aae_tf.checks import check_positive
from aae_tf.losses.weights import Weight, check_weight
from aae_tf.models.class_style_aae import ClassStyleAAE
from aae_tf.models.weight_seeds import weight_seeds
from aae_tf.training.terms import Batch, ExtraTerm, Tensors


@keras.saving.register_keras_serializable(package="aae_tf")
class EmbeddingAAE(ClassStyleAAE):
    """Embeds inputs in n dimensions: W y + z, the head of a cluster and a style around it.

    The rows w_k of W, one for each cluster, are the heads: learned, or held where they are given.
    The decoder receives the sum alone, so that two or three dimensions show everything it knows of
    an input. Each step lowers, for encoder and decoder,

        E_x [ reconstruction loss(x, decoder(W y + z)) ]
        + weight * divergence(q(z), style prior) + weight * divergence(q(y), class prior)
        + head_weight * sum_{j < k} max(0, head_distance - |w_j - w_k|)
        + classification_weight * E [ -log q(label|x) ]      over the rows of known label

    and, if they are given, consistency and information terms of q(y|x); and the discriminators'
    losses for the discriminators. Without labels it finds clusters, with some it classifies.

    Args:
        encoder: built Keras model from inputs [batch, ...] to features [batch, feature_dim]; the
            heads of cluster and style come on top.
        decoder: built Keras model from [batch, n], the embedding, to outputs of the encoder's
            input shape.
        style_prior: any tfd.Distribution with event_shape [n] and no batch shape.
        num_clusters: number of clusters, at least 2; that of the classes where there are labels.
        class_prior: tfd.OneHotCategorical of float32 with `num_clusters` outcomes; None is
            uniform.
        posterior: of the style: "deterministic", "gaussian", "universal", or an instance of
            `aae_tf.posteriors`.
        style_divergence: "adversarial", "mmd", or what else `divergences.get` takes; also several.
        class_divergence: the same for the cluster code; None leaves it unmatched.
        heads: float [num_clusters, n], heads that are held constant, such as 10 * np.eye(10);
            None learns them.
        head_distance: distance, in units of the embedding, below which two heads repel each
            other; positive.
        head_weight: factor of that penalty: a number, zero or more, or a Keras schedule of the
            steps made.
        classification_weight: factor of the cross-entropy, of the same kinds.
        consistency: "virtual_adversarial" or a `losses.VirtualAdversarial`, see
            `SemiSupervisedAAE`; None leaves it out.
        information: "mutual_information" or a `losses.MutualInformation`; None leaves it out.
        seed: non-negative integer that fixes initial weights, noise and prior samples; None draws
            anew.
        name: name of the model.
        **kwargs: `extra_terms`, a list of `losses.LossTerm`, see `BaseModel`; and `dtype`.

    Inputs:
        inputs: float [batch, ...], of the encoder's input shape; beside them, or not, labels,
            integers [batch], -1 where unknown.

    Returns:
        float [batch, ...]: the reconstruction from the mean embedding.

    Logs:
        Those of `SemiSupervisedAAE`, those of classification only where there are labels;
        `head_loss`, the sum over pairs of heads, where these are learned.

    Raises:
        TypeError: if an argument is of a wrong type.
        ValueError: if the shapes do not fit, or an argument is out of its range.

    Example:

    >>> from aae_tf import networks, priors
    >>> model = EmbeddingAAE(
    ...     encoder=networks.mlp_encoder((4,), units=(16,), seed=1),
    ...     decoder=networks.mlp_decoder((4,), code_dim=2, units=(16,), seed=2),
    ...     style_prior=priors.gaussian(2), num_clusters=3, head_distance=5.0, seed=0)
    >>> model.compile()
    >>> inputs, labels = np.random.default_rng(0).random((60, 4)), np.arange(60) % 4 - 1
    >>> history = model.fit(inputs, labels, verbose=0)
    >>> model.encode(inputs).shape, model.cluster_heads.shape
    ((60, 2), (3, 2))

    References:
        Makhzani et al. 2016, section 7.
    """

    decoder_codes = ("latents",)
    posterior_output = "style"
    classes_argument = "num_clusters"
    labels = "any"

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
        heads: Any = None,
        head_distance: float = 5.0,
        head_weight: Weight = 1.0,
        classification_weight: Weight = 1.0,
        consistency: str | losses.VirtualAdversarial | None = None,
        information: str | losses.MutualInformation | None = None,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if heads is not None:
            heads = data.check_array(heads, "heads")
        check_positive("head_distance", head_distance)
        check_weight("head_weight", head_weight)
        head_term = losses.HeadDistance(head_distance, head_weight) if heads is None else None
        super().__init__(
            encoder,
            decoder,
            style_prior,
            num_clusters,
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
        self.num_clusters = self.num_classes
        self._head_term = head_term
        self.heads = heads
        self.head_distance = head_distance
        self.head_weight = head_weight
        self._heads_layer = ClusterHeads(
            num_clusters,
            style_prior.event_shape[0],
            heads,
            head_distance,
            weight_seeds(seed).cluster_heads,
        )

    @property
    def cluster_heads(self) -> np.ndarray:
        """The heads as they are now, float32 [num_clusters, n]."""
        return self._heads_layer.heads.numpy()

    def describe(self) -> dict[str, Any]:
        """Describes the model as its base does, and where its `cluster_heads` are."""
        return {**super().describe(), "cluster_heads": self.cluster_heads.tolist()}

    def encode_codes(self, inputs: tf.Tensor) -> Tensors:
        """Gives the embedding of the mean style and q(y|x), and q(y|x)."""
        return self._embed(super().encode_codes(inputs))

    def sample_codes(self, batch: Batch, seed: tf.Tensor, training: bool) -> Tensors:
        """Draws a style, gives q(y|x), and their embedding, which alone the decoder receives."""
        codes = super().sample_codes(batch, seed, training)
        return {**self._embed(codes), "style": codes["latents"]}

    def seed_codes(self, seeds: tf.Tensor, labels: tf.Tensor | None = None) -> Tensors:
        """Draws a style and, where none is given, a cluster, and embeds them."""
        return self._embed(super().seed_codes(seeds, labels))

    def prior_log_prob(self, codes: Tensors) -> tf.Tensor:
        """Gives log sum_k p(y = k) p(z = embedding - w_k), nats."""
        styles = codes["latents"][:, tf.newaxis] - self._heads_layer.heads
        log_joint = self.style_prior.log_prob(styles) + tf.math.log(self.class_prior.mean())
        return tf.reduce_logsumexp(log_joint, axis=1)

    def extra_terms(
        self, codes: Tensors, batch: Batch, seed: tf.Tensor, training: bool
    ) -> dict[str, ExtraTerm]:
        """Measures the base's terms, and the shortfall of the heads' distances."""
        terms = super().extra_terms(codes, batch, seed, training)
        if self._head_term is not None:
            loss = self._head_term(tf.convert_to_tensor(self._heads_layer.heads))
            terms[self._head_term.log_key] = ExtraTerm(loss, self._head_term.weight)
        return terms

    def _embed(self, codes: Tensors) -> Tensors:
        heads = self._heads_layer(codes["class_probabilities"])
        return {**codes, "latents": codes["latents"] + heads}


class ClusterHeads(keras.layers.Layer):
    """Maps cluster probabilities y to y W, W [num_clusters, dim] having a head in each row.

    Args:
        num_clusters: number of heads.
        dim: width of the embedding.
        heads: float32 [num_clusters, dim], held constant; None learns heads that start from a
            normal distribution.
        scale: its standard deviation.
        seed: non-negative integer that fixes the start.

    Raises:
        ValueError: if `heads` is given with another shape.
    """

    def __init__(
        self, num_clusters: int, dim: int, heads: np.ndarray | None, scale: float, seed: int
    ) -> None:
        super().__init__(name="cluster_heads", dtype="float32")
        shape = (num_clusters, dim)
        if heads is not None and heads.shape != shape:
            raise ValueError(
                f"Expected `heads` to have the shape (num_clusters, width of the style) {shape}. "
                f"Received: heads.shape={heads.shape}."
            )
        self.heads = self.add_weight(
            shape=shape,
            initializer=keras.initializers.RandomNormal(stddev=scale, seed=seed)
            if heads is None
            else keras.initializers.Constant(heads),
            trainable=heads is None,
            name="heads",
        )
        self.built = True

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: the constructor has made the heads."""

    def call(self, probabilities: tf.Tensor) -> tf.Tensor:
        """Returns the heads' mean under `probabilities`, [batch, dim]."""
        return tf.matmul(probabilities, self.heads)
