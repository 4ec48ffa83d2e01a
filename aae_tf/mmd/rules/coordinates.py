"""Vectors of independent coordinates, under kernels that are products over coordinates."""

import abc
from collections.abc import Callable, Sequence

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.arguments import Distribution, Kernel
from aae_tf.mmd.fourier_features import FourierFeatures
from aae_tf.mmd.gaussian_kernels import as_gaussians, heights_and_widths
from aae_tf.mmd.product_kernels import CoordinateProduct
from aae_tf.mmd.registry import MeanEmbedding, RegisterMeanEmbedding, constant
from aae_tf.mmd.rules.features import FeatureEmbedding

psd_kernels = tfp.math.psd_kernels


class Family(abc.ABC):
    """A family of distributions on the line, as Gaussian kernels exp(-t^2 / (2 s)) see it.

    All tensors are float64 and broadcast: `parameters` have the shape [B, d] for a batch of B
    vectors of d coordinates, possibly with axes of their own behind.
    """

    @abc.abstractmethod
    def log_embedding(
        self, points: tf.Tensor, squared_widths: tf.Tensor, *parameters: tf.Tensor
    ) -> tf.Tensor:
        """Gives log E exp(-(z - X)^2 / (2 s)), with a finite gradient at any distance.

        Args:
            points: [n, 1, 1, d], z.
            squared_widths: [m, 1, 1], s.
            *parameters: each [B, d, ...].

        Returns:
            Tensor [n, m, B, d].
        """

    @abc.abstractmethod
    def norm(
        self,
        squared_widths: tf.Tensor,
        first: Sequence[tf.Tensor],
        second: Sequence[tf.Tensor],
    ) -> tf.Tensor:
        """Gives E exp(-(X - Y)^2 / (2 s)), X and Y independent.

        Args:
            squared_widths: [m, 1, 1, 1], s.
            first: parameters of X, each [B, 1, d, ...].
            second: parameters of Y, each [B, d, ...].

        Returns:
            Tensor [m, B, B, d].
        """

    @abc.abstractmethod
    def characteristic(self, frequencies: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Gives E exp(i w X).

        Args:
            frequencies: [m, 1, d], w.
            *parameters: each [B, d, ...].

        Returns:
            complex128 [m, B, d].
        """


class CoordinateEmbedding(MeanEmbedding):
    """Mean embedding of a vector of independent coordinates, or of a batch of such vectors.

    Under a Gaussian kernel a exp(-|x - y|^2 / (2 s)), with mu_j the embedding of coordinate j under
    exp(-t^2 / (2 s)),

        mu(z) = a prod_j mu_j(z_j)

    and alike for the norm. Under a `CoordinateProduct`, the product runs over sums of such terms.

    Args:
        family: what the coordinates are.
        parameters: of the family, each batch_shape + [d] + axes of their own.
        batch_shape: of the vectors.
        kernel: Gaussian kernel, possibly a batch, or a `CoordinateProduct` of an average of
            Gaussian kernels.
    """

    def __init__(
        self,
        family: Family,
        parameters: Sequence[tf.Tensor],
        batch_shape: tf.TensorShape,
        kernel: Kernel,
    ) -> None:
        self._family = family
        self._is_product = isinstance(kernel, CoordinateProduct)
        gaussians = _factor(kernel) if self._is_product else kernel
        self._batch_shape = batch_shape
        self._kernel_shape = [] if self._is_product else kernel.batch_shape
        log_heights, squared_widths = heights_and_widths(gaussians)
        self._log_heights = tf.reshape(log_heights, [-1, 1])
        self._squared_widths = tf.reshape(squared_widths, [-1, 1, 1])
        self._parameters = [flatten(value, batch_shape) for value in parameters]

        factors = family.norm(
            self._squared_widths[..., tf.newaxis],
            [value[:, tf.newaxis] for value in self._parameters],
            self._parameters,
        )
        heights = tf.exp(self._log_heights)[..., tf.newaxis]
        if self._is_product:
            norm = tf.reduce_prod(
                tf.reduce_sum(heights[..., tf.newaxis] * factors, axis=0), axis=-1
            )
        else:
            norm = heights * tf.reduce_prod(factors, axis=-1)
        self._norm = tf.reshape(norm, [*self._kernel_shape, *batch_shape, *batch_shape])

    def evaluate(self, points: tf.Tensor) -> tf.Tensor:
        """Returns mu at `points`."""
        # In float64: centres far from the origin are subtracted without loss.
        log_factors = self._family.log_embedding(
            tf.cast(points, tf.float64)[:, tf.newaxis, tf.newaxis],
            constant(self._squared_widths, tf.float64),
            *(constant(value, tf.float64) for value in self._parameters),
        )
        log_heights = constant(self._log_heights, tf.float64)
        if self._is_product:
            log_factors += log_heights[..., tf.newaxis]
            log_values = tf.reduce_sum(tf.reduce_logsumexp(log_factors, axis=1), axis=-1)
        else:
            log_values = log_heights + tf.reduce_sum(log_factors, axis=-1)
        values = tf.cast(tf.exp(log_values), points.dtype)
        return tf.reshape(values, [tf.shape(points)[0], *self._kernel_shape, *self._batch_shape])

    def norm(self) -> tf.Tensor:
        """Returns E k(X, Y)."""
        return self._norm


def register_family(
    distribution_class: type[Distribution],
    family: Callable[[Distribution], tuple[Family, Sequence[tf.Tensor]]],
    exact: Callable[[Sequence[tf.Tensor], CoordinateProduct], MeanEmbedding | None] | None = None,
) -> None:
    """Registers a class of scalar distributions, whose last batch axis is that of the coordinates.

    Args:
        distribution_class: subclass of `tfd.Distribution` with event_shape [].
        family: gives the family of a distribution and its parameters, which broadcast to its batch
            shape, or have axes of their own behind that.
        exact: gives the embedding under a `CoordinateProduct` from the parameters where there is a
            form better than an average of Gaussian kernels, else None.
    """

    def rule(distribution: Distribution, kernel: Kernel) -> MeanEmbedding:
        kind, parameters = family(distribution)
        shape = distribution.batch_shape
        broadcast = []
        for value in parameters:
            value = tf.convert_to_tensor(value)
            broadcast.append(
                value if value.shape.rank > shape.rank else tf.broadcast_to(value, shape)
            )
        if isinstance(kernel, FourierFeatures):
            kernel.check_length(shape[-1])
            return _fourier(kind, broadcast, shape[:-1], kernel)
        if isinstance(kernel, CoordinateProduct) and exact is not None:
            embedding = exact(broadcast, kernel)
            if embedding is not None:
                return embedding
        return CoordinateEmbedding(kind, broadcast, shape[:-1], kernel)

    for kernel_class in (psd_kernels.ExponentiatedQuadratic, CoordinateProduct, FourierFeatures):
        RegisterMeanEmbedding(distribution_class, kernel_class)(rule)


def _fourier(
    family: Family,
    parameters: Sequence[tf.Tensor],
    batch_shape: tf.TensorShape,
    kernel: FourierFeatures,
) -> FeatureEmbedding:
    values = tf.reduce_prod(
        family.characteristic(
            tf.constant(kernel.frequencies)[:, tf.newaxis],
            *(flatten(value, batch_shape) for value in parameters),
        ),
        axis=-1,
    )
    return FeatureEmbedding.from_characteristic(tf.transpose(values), batch_shape, kernel)


def flatten(value: tf.Tensor, batch_shape: tf.TensorShape) -> tf.Tensor:
    """Makes one axis of those of the batch, in float64."""
    return tf.reshape(tf.cast(value, tf.float64), [-1, *value.shape[batch_shape.rank :]])


def _factor(kernel: CoordinateProduct) -> Kernel:
    gaussians = as_gaussians(kernel.kernel)
    if gaussians is None:
        raise NotImplementedError(
            "Expected `CoordinateProduct` to be of an average of Gaussian kernels. "
            f"Received: kernel.kernel={kernel.kernel!r}."
        )
    return gaussians
