"""Any distribution under sums, products and averages of kernels.

The mean embedding is linear in the kernel: what is an average of Gaussian kernels takes its
embedding from theirs.
"""

import contextlib
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.arguments import Distribution, GaussianKernel, Kernel
from aae_tf.mmd.gaussian_kernels import (
    MATERN_ORDERS,
    ProductKernel,
    SumKernel,
    as_gaussians,
    stack_gaussians,
    terms_of,
)
from aae_tf.mmd.product_kernels import CoordinateProduct
from aae_tf.mmd.registry import MeanEmbedding, RegisterMeanEmbedding, constant, embed

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels


class SumEmbedding(MeanEmbedding):
    """Mean embedding under a sum of kernels: the sum of those under its terms.

    Args:
        distribution: distribution, possibly a batch.
        gaussians: Gaussian kernels of the sum, a batch [m], or None.
        others: the other terms, each of batch shape [].
    """

    def __init__(
        self,
        distribution: Distribution,
        gaussians: GaussianKernel | None,
        others: list[Kernel],
    ) -> None:
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


class LinearEmbedding(MeanEmbedding):
    """Mean embedding under k(x, y) = bias + slope (x - shift)'(y - shift), from the mean alone.

    Between one-hot vectors, k is [x = y] where bias = shift = 0 and slope = 1.

    Args:
        mean: floating point, batch_shape + [d].
        kernel: `tfp.math.psd_kernels.Linear` of batch shape [].
    """

    def __init__(self, mean: tf.Tensor, kernel: Kernel) -> None:
        def square(value: Any, default: float) -> tf.Tensor:
            return tf.square(tf.cast(default if value is None else value, tf.float64))

        self._bias = square(kernel.bias_amplitude, 0.0)
        self._slope = square(kernel.slope_amplitude, 1.0)
        self._shift = tf.cast(0.0 if kernel.shift is None else kernel.shift, tf.float64)
        self._batch_shape = mean.shape[:-1]
        self._mean = tf.reshape(tf.cast(mean, tf.float64), [-1, mean.shape[-1]]) - self._shift
        norm = self._bias + self._slope * tf.matmul(self._mean, self._mean, transpose_b=True)
        self._norm = tf.reshape(norm, self._batch_shape + self._batch_shape)

    def evaluate(self, points: tf.Tensor) -> tf.Tensor:
        """Returns mu at `points`."""
        dtype = points.dtype
        values = tf.matmul(
            points - constant(self._shift, dtype), constant(self._mean, dtype), transpose_b=True
        )
        values = constant(self._bias, dtype) + constant(self._slope, dtype) * values
        return tf.reshape(values, [tf.shape(points)[0], *self._batch_shape])

    def norm(self) -> tf.Tensor:
        """Returns E k(X, Y)."""
        return self._norm


@RegisterMeanEmbedding(tfd.Distribution, SumKernel)
def _sum(distribution: Distribution, kernel: Kernel) -> SumEmbedding:
    return SumEmbedding(distribution, *stack_gaussians(terms_of(kernel)))


@RegisterMeanEmbedding(tfd.Distribution, psd_kernels.RationalQuadratic)
def _average(distribution: Distribution, kernel: Kernel) -> SumEmbedding:
    return SumEmbedding(distribution, as_gaussians(kernel), [])


@RegisterMeanEmbedding(tfd.Distribution, ProductKernel)
def _product(distribution: Distribution, kernel: Kernel) -> SumEmbedding:
    gaussians = as_gaussians(kernel)
    if gaussians is None:
        raise NotImplementedError(
            "Expected the factors of a product of kernels to be averages of Gaussian kernels, or "
            "`distribution` to be on finitely many points. Received: factors "
            f"{', '.join(type(factor).__name__ for factor in kernel.kernels)}, "
            f"distribution {type(distribution).__name__}."
        )
    return SumEmbedding(distribution, gaussians, [])


def _matern(distribution: Distribution, kernel: Kernel) -> MeanEmbedding:
    # In one dimension there are exact forms, which are registered for products over coordinates.
    if distribution.event_shape == [1]:
        with contextlib.suppress(NotImplementedError):
            return embed(distribution, CoordinateProduct(kernel))
    return SumEmbedding(distribution, as_gaussians(kernel), [])


for _kind in (*MATERN_ORDERS, psd_kernels.GeneralizedMatern):
    RegisterMeanEmbedding(tfd.Distribution, _kind)(_matern)


@RegisterMeanEmbedding(tfd.Distribution, psd_kernels.Linear)
def _linear(distribution: Distribution, kernel: Kernel) -> LinearEmbedding:
    shape = distribution.batch_shape + distribution.event_shape
    return LinearEmbedding(tf.broadcast_to(distribution.mean(), shape), kernel)
