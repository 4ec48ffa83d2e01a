"""Kernels that are products over coordinates or over blocks of coordinates."""

import functools
import operator
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.checks import check_sizes
from aae_tf.mmd.arguments import Kernel, check_kernel

psd_kernels = tfp.math.psd_kernels


class CoordinateProduct(tfp.math.psd_kernels.PositiveSemidefiniteKernel):
    """The product of one kernel over the coordinates: k(x, y) = prod_j kernel(x_j, y_j).

    For a Gaussian kernel, the product is the Gaussian kernel again, with its amplitude raised to
    the number of coordinates. A Matern or rational quadratic kernel depends on the Euclidean
    distance, its product on the distance along each axis. The mean embedding of a distribution with
    independent coordinates is a product of embeddings in one dimension, where more pairs of
    distribution and kernel have an exact form than in many.

    Args:
        kernel: kernel of `tfp.math.psd_kernels` with feature_ndims 1 and batch_shape [], applied
            to vectors of length one.

    Raises:
        TypeError: if `kernel` is no kernel.
        ValueError: if it has other shapes.

    Example:

    >>> kernel = CoordinateProduct(psd_kernels.MaternOneHalf(length_scale=2.0))
    >>> round(float(kernel.apply([0.0, 0.0], [1.0, 3.0])), 4)
    0.1353

    References:
        Briol et al. 2025, arXiv:2504.18830, on product kernels and independent coordinates.
    """

    def __init__(self, kernel: Kernel, name: str = "CoordinateProduct") -> None:
        parameters = dict(locals())
        check_kernel(kernel)
        super().__init__(feature_ndims=1, dtype=kernel.dtype, name=name, parameters=parameters)
        self.kernel = kernel

    @classmethod
    def _parameter_properties(cls, dtype: Any) -> dict[str, Any]:
        return {"kernel": tfp.util.ParameterProperties(event_ndims=0, is_tensor=False)}

    def _batch_shape(self) -> tf.TensorShape:
        return self.kernel.batch_shape

    def _batch_shape_tensor(self) -> tf.Tensor:
        return self.kernel.batch_shape_tensor()

    def _apply(self, x1: tf.Tensor, x2: tf.Tensor, example_ndims: int = 0) -> tf.Tensor:
        # Every coordinate becomes an example of length one.
        factors = self.kernel.apply(
            x1[..., tf.newaxis], x2[..., tf.newaxis], example_ndims=example_ndims + 1
        )
        return tf.reduce_prod(factors, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"kernel": self.kernel, "name": self.name}


class BlockProduct(tfp.math.psd_kernels.PositiveSemidefiniteKernel):
    """The product of kernels that each act on a block of the coordinates.

        k(x, y) = prod_b kernels[b](x_b, y_b),  x_b the next sizes[b] coordinates of x

    The mean embedding of a `tfd.Blockwise`, whose blocks are independent, is the product of the
    embeddings of the blocks. `psd_kernels.Linear()` is [y = y'] between one-hot vectors y and y':
    on the last block, it makes the product a kernel on pairs of a code and its label.

    Args:
        kernels: kernels of `tfp.math.psd_kernels` with feature_ndims 1 and batch_shape [], at
            least one.
        sizes: width of each block, positive.

    Raises:
        TypeError: if one of `kernels` is no kernel.
        ValueError: if `kernels` is empty, one has other shapes, or there are not as many sizes.

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
