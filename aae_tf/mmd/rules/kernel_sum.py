"""Any distribution under a sum of kernels: the mean embedding is linear in the kernel."""

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.embedding import MeanEmbedding
from aae_tf.mmd.gaussian_kernels import SumKernel, stack_gaussians, terms_of
from aae_tf.mmd.registry import RegisterMeanEmbedding, embed
from aae_tf.mmd.types import Distribution, Kernel


class SumEmbedding(MeanEmbedding):
    """Mean embedding under a sum of kernels: the sum of those under its terms.

    The Gaussian kernels among the terms are evaluated together, as one batch.

    Args:
        distribution: distribution, possibly a batch.
        kernels: terms of the sum, each of batch shape [].
    """

    def __init__(
        self,
        distribution: Distribution,
        kernels: list[Kernel],
    ) -> None:
        gaussians, others = stack_gaussians(kernels)
        self._gaussians = [] if gaussians is None else [embed(distribution, gaussians)]
        self._others = [embed(distribution, other) for other in others]
        self._norm = tf.add_n(
            [tf.reduce_sum(term.norm(), axis=0) for term in self._gaussians]
            + [term.norm() for term in self._others]
        )

    def evaluate(self, points: tf.Tensor) -> tf.Tensor:
        """Returns mu at `points`."""
        return tf.add_n(
            [tf.reduce_sum(term.evaluate(points), axis=1) for term in self._gaussians]
            + [term.evaluate(points) for term in self._others]
        )

    def norm(self) -> tf.Tensor:
        """Returns E k(X, Y)."""
        return self._norm


@RegisterMeanEmbedding(tfp.distributions.Distribution, SumKernel)
def _sum(distribution: Distribution, kernel: Kernel) -> SumEmbedding:
    return SumEmbedding(distribution, terms_of(kernel))
