"""Mixtures under any kernel: the mean embedding is linear in the distribution."""

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.arguments import Distribution, Kernel
from aae_tf.mmd.registry import MeanEmbedding, RegisterMeanEmbedding, constant, embed

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels


class MixtureEmbedding(MeanEmbedding):
    """Mean embedding of a mixture with weights w of components with embeddings mu_k.

        mu(z) = sum_k w_k mu_k(z)
        norm  = sum_kl w_k w_l E k(X_k, X_l)

    A batch of mixtures, such as the components of a mixture of mixtures, has weights [..., K].

    Args:
        weights: floating point, batch_shape + [K], of any sums: normalised in float64.
        components: mean embedding of a distribution of batch_shape + [K].
    """

    def __init__(self, weights: tf.Tensor, components: MeanEmbedding) -> None:
        weights = tf.cast(weights, tf.float64)
        self._weights = weights / tf.reduce_sum(weights, axis=-1, keepdims=True)
        self._components = components
        # The axes of the norm: kernel, batch, K, batch, K.
        over_second = tf.reduce_sum(components.norm() * self._weights, axis=-1)
        depth = self._weights.shape.rank - 1
        first = tf.reshape(self._weights, self._weights.shape + [1] * depth)
        self._norm = tf.reduce_sum(over_second * first, axis=-1 - depth)

    def evaluate(self, points: tf.Tensor) -> tf.Tensor:
        """Returns mu at `points`."""
        weights = constant(self._weights, points.dtype)
        return tf.reduce_sum(self._components.evaluate(points) * weights, axis=-1)

    def norm(self) -> tf.Tensor:
        """Returns E k(X, Y)."""
        return self._norm


@RegisterMeanEmbedding(tfd.MixtureSameFamily, psd_kernels.PositiveSemidefiniteKernel)
def _mixture(distribution: Distribution, kernel: Kernel) -> MixtureEmbedding:
    # In a product, the last axis of the batch would be that of the coordinates.
    if distribution.event_shape.rank != 1:
        raise NotImplementedError(
            "Expected a mixture not to be part of a product. "
            f"Received: distribution={distribution!r}."
        )
    components = distribution.components_distribution
    weights = distribution.mixture_distribution.probs_parameter()
    shape = components.batch_shape[:-1] + weights.shape[-1:]
    return MixtureEmbedding(tf.broadcast_to(weights, shape), embed(components, kernel))
