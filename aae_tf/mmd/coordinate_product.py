"""Kernels that are products over coordinates."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.arguments import check_kernel
from aae_tf.mmd.types import Kernel

psd_kernels = tfp.math.psd_kernels


class CoordinateProduct(tfp.math.psd_kernels.PositiveSemidefiniteKernel):
    """The product of one kernel over the coordinates: k(x, y) = prod_j kernel(x_j, y_j).

    Of a Gaussian kernel it is the Gaussian kernel, but for the amplitude, which enters once per
    coordinate. Matern kernels, which depend on a Euclidean distance otherwise, become smooth along
    every axis by itself; so do rational quadratic ones. The mean embedding of a distribution with
    independent coordinates is a product of embeddings in one dimension, which are exact for more
    pairs than those in many.

    Args:
        kernel: kernel of `tfp.math.psd_kernels` with feature_ndims 1 and batch_shape [], applied
            to vectors of length one.

    Raises:
        TypeError: if `kernel` is no kernel.
        ValueError: if its shapes are others.

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
