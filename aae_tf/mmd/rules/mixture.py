"""Mixtures under any kernel: the mean embedding is linear in the distribution."""

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.constants import constant
from aae_tf.mmd.embedding import MeanEmbedding
from aae_tf.mmd.registry import RegisterMeanEmbedding, embed
from aae_tf.mmd.types import Distribution, Kernel

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels


class MixtureEmbedding(MeanEmbedding):
    """Mean embedding of a mixture with weights w of components with embeddings mu_k.

        mu(z) = sum_k w_k mu_k(z)
        norm  = sum_kl w_k w_l E k(X_k, X_l)

    Args:
        weights: floating point [K], of any sum: normalised in float64.
        components: mean embedding of a distribution of batch shape [K].
    """

    def __init__(self, weights: tf.Tensor, components: MeanEmbedding) -> None:
        weights = tf.cast(weights, tf.float64)
        self._weights = weights / tf.reduce_sum(weights)
        self._components = components
        across = self._weights[:, tf.newaxis] * self._weights
        self._norm = tf.reduce_sum(across * components.norm(), axis=[-2, -1])

    def evaluate(self, points: tf.Tensor) -> tf.Tensor:
        """Returns mu at `points`."""
        return tf.linalg.matvec(
            self._components.evaluate(points), constant(self._weights, points.dtype)
        )

    def norm(self) -> tf.Tensor:
        """Returns E k(X, Y)."""
        return self._norm


@RegisterMeanEmbedding(tfd.MixtureSameFamily, psd_kernels.PositiveSemidefiniteKernel)
def _mixture(distribution: Distribution, kernel: Kernel) -> MixtureEmbedding:
    # A component of a mixture and a coordinate of a product are members of a batch.
    if distribution.batch_shape.rank != 0:
        raise NotImplementedError(
            "Expected a mixture not to be part of a mixture or a product. "
            f"Received: distribution={distribution!r}."
        )
    return MixtureEmbedding(
        distribution.mixture_distribution.probs_parameter(),
        embed(distribution.components_distribution, kernel),
    )
