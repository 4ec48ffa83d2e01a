"""Vectors of independent blocks under kernels that are products over the blocks."""

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.arguments import Distribution, GaussianKernel, Kernel
from aae_tf.mmd.gaussian_kernels import heights_and_widths
from aae_tf.mmd.product_kernels import BlockProduct, CoordinateProduct
from aae_tf.mmd.registry import MeanEmbedding, RegisterMeanEmbedding, embed

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels


class BlockEmbedding(MeanEmbedding):
    """Mean embedding of independent blocks: the product of theirs.

        mu(z) = prod_b mu_b(z_b),  norm = prod_b norm_b

    Args:
        blocks: embeddings of the blocks, of one batch shape and one batch of kernels.
        sizes: number of coordinates of each.
    """

    def __init__(self, blocks: Sequence[MeanEmbedding], sizes: Sequence[int]) -> None:
        self._blocks = blocks
        self._sizes = sizes
        self._norm = _product([block.norm() for block in blocks])

    def evaluate(self, points: tf.Tensor) -> tf.Tensor:
        """Returns mu at `points`."""
        parts = tf.split(points, self._sizes, axis=1)
        pairs = zip(self._blocks, parts, strict=True)
        return _product([block.evaluate(part) for block, part in pairs])

    def norm(self) -> tf.Tensor:
        """Returns E k(X, Y)."""
        return self._norm


def _product(values: Sequence[tf.Tensor]) -> tf.Tensor:
    return tf.reduce_prod(tf.stack(values), axis=0)


@RegisterMeanEmbedding(tfd.Blockwise, BlockProduct)
def _blocks(distribution: Distribution, kernel: BlockProduct) -> BlockEmbedding:
    blocks, sizes = _independent_blocks(distribution)
    if sizes != list(kernel.sizes):
        raise NotImplementedError(
            "Expected the blocks of `distribution` to be those of `kernel`. "
            f"Received: blocks of {sizes}, kernel.sizes={kernel.sizes}."
        )
    pairs = zip(blocks, kernel.kernels, strict=True)
    return BlockEmbedding([embed(block, part) for block, part in pairs], sizes)


@RegisterMeanEmbedding(tfd.Blockwise, psd_kernels.ExponentiatedQuadratic)
def _gaussian(distribution: Distribution, kernel: GaussianKernel) -> BlockEmbedding:
    blocks, sizes = _independent_blocks(distribution)
    # The amplitude enters once.
    _, squared_widths = heights_and_widths(kernel)
    bare = psd_kernels.ExponentiatedQuadratic(length_scale=tf.sqrt(squared_widths))
    kernels = [kernel, *[bare] * (len(blocks) - 1)]
    pairs = zip(blocks, kernels, strict=True)
    return BlockEmbedding([embed(block, part) for block, part in pairs], sizes)


@RegisterMeanEmbedding(tfd.Blockwise, CoordinateProduct)
def _coordinates(distribution: Distribution, kernel: Kernel) -> BlockEmbedding:
    blocks, sizes = _independent_blocks(distribution)
    return BlockEmbedding([embed(block, kernel) for block in blocks], sizes)


def _independent_blocks(distribution: Distribution) -> tuple[list[Distribution], list[int]]:
    """Returns the blocks of a `tfd.Blockwise` as distributions of vectors, and their sizes."""
    blocks = distribution.distributions
    if isinstance(blocks, tfd.JointDistribution):
        blocks = tf.nest.flatten(blocks.model)
    if not all(isinstance(block, tfd.Distribution) for block in blocks):
        raise NotImplementedError(
            "Expected the parts of a joint distribution to be independent: distributions, and no "
            f"functions of other parts. Received: distribution={distribution!r}."
        )
    # A number is a vector of length one.
    blocks = [tfd.Sample(block, 1) if block.event_shape.rank == 0 else block for block in blocks]
    return blocks, [block.event_shape[0] for block in blocks]
