"""Kernels on vectors that are made of blocks."""

import functools
import operator
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.checks import check_sizes
from aae_tf.mmd.arguments import check_kernel
from aae_tf.mmd.types import Kernel

psd_kernels = tfp.math.psd_kernels


class BlockProduct(tfp.math.psd_kernels.PositiveSemidefiniteKernel):
    """The product of kernels that see a block of the coordinates each.

    k(x, y) = prod_b kernels[b](x_b, y_b),  x_b the next sizes[b] coordinates of x

    The mean embedding of independent blocks, a `tfd.Blockwise`, is the product of theirs. With
    `psd_kernels.Linear()`, which is [y = y'] between one-hot vectors, on the last block, it is the
    kernel of pairs of a code and its label.

    Args:
        kernels: kernels of `tfp.math.psd_kernels` with feature_ndims 1 and batch_shape [], at
            least one.
        sizes: width of each block, positive.

    Raises:
        TypeError: if one of `kernels` is no kernel.
        ValueError: if there are none, their shapes are others, or there are not as many sizes.

    Example:

    >>> kernel = BlockProduct(
    ...     [psd_kernels.ExponentiatedQuadratic(length_scale=1.0), psd_kernels.Linear()], [1, 2]
    ... )
    >>> values = kernel.apply([[0.0, 1.0, 0.0]], [[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    >>> [round(float(value), 4) for value in values]
    [0.6065, 0.0]

    References:
        Song, Fukumizu and Gretton 2013, *Kernel embeddings of conditional distributions*, on
        product kernels and joint distributions.
    """

    def __init__(
        self, kernels: Sequence[Kernel], sizes: Sequence[int], name: str = "BlockProduct"
    ) -> None:
        parameters = dict(locals())
        kernels = list(kernels)
        for kernel in kernels:
            check_kernel(kernel)
        sizes = check_sizes("sizes", sizes)
        if len(kernels) != len(sizes):
            raise ValueError(
                "Expected `sizes` to have one entry per kernel. "
                f"Received: sizes={sizes!r}, kernels={kernels!r}."
            )
        dtypes = [kernel.dtype for kernel in kernels if kernel.dtype is not None]
        super().__init__(
            feature_ndims=1, dtype=dtypes[0] if dtypes else None, name=name, parameters=parameters
        )
        self.kernels = kernels
        self.sizes = sizes

    @classmethod
    def _parameter_properties(cls, dtype: Any) -> dict[str, Any]:
        return {"kernels": tfp.util.ParameterProperties(event_ndims=0, is_tensor=False)}

    def _batch_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.constant([], tf.int32)

    def _apply(self, x1: tf.Tensor, x2: tf.Tensor, example_ndims: int = 0) -> tf.Tensor:
        for points in (x1, x2):
            if points.shape[-1] != sum(self.sizes):
                raise ValueError(
                    "Expected `kernel.sizes` to add up to the number of coordinates. "
                    f"Received: kernel.sizes={self.sizes}, coordinates={points.shape[-1]}."
                )
        blocks = zip(
            self.kernels,
            tf.split(x1, self.sizes, axis=-1),
            tf.split(x2, self.sizes, axis=-1),
            strict=True,
        )
        return functools.reduce(
            operator.mul, [kernel.apply(a, b, example_ndims) for kernel, a, b in blocks]
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"kernels": self.kernels, "sizes": self.sizes, "name": self.name}
