"""Random Fourier features: kernels whose sums over pairs are sums over points."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.checks import check_dimension, check_integer
from aae_tf.mmd.arguments import Kernel, check_kernel
from aae_tf.mmd.gaussian_kernels import as_gaussians, heights_and_widths
from aae_tf.mmd.pairs import mass_of_pairs

psd_kernels = tfp.math.psd_kernels


class FourierFeatures(tfp.math.psd_kernels.PositiveSemidefiniteKernel):
    """A kernel of finitely many random features that approximates another, at linear cost.

        k(x, y) = f(x)' f(y),  f(x) = sqrt(kernel(x, x) / m) (cos w_i'x, sin w_i'x), i = 1, ..., m

    with frequencies w_i from the spectral distribution of `kernel`: N(0, I / length_scale^2) for a
    Gaussian kernel, and mixtures of such for sums, rational quadratic and Matern kernels. The
    product f(x)' f(y) is an unbiased estimate of kernel(x, y), with a standard deviation below
    kernel(x, x) / sqrt(2 m), and is itself a kernel, accepted wherever `aae_tf.mmd` takes one.
    E f(X) consists of the values of a prior's characteristic function at the frequencies, in closed
    form where a rule is registered. `squared_mmd` sums over features instead of pairs: n m
    operations for n samples.

    Two different distributions whose characteristic functions agree at all frequencies have an
    MMD^2 of zero under this kernel; the more features, the fewer such pairs there are.

    Args:
        kernel: Gaussian, rational quadratic or Matern kernel, or a sum or product of such.
        dimension: positive integer d, of the points.
        num_features: positive even integer 2 m: cosines and sines.
        seed: non-negative integer that fixes the frequencies.

    Attributes:
        frequencies: float64 [m, d].

    Raises:
        TypeError: if `kernel` is no kernel.
        ValueError: if `kernel` is no average of Gaussian kernels, or a number is out of its range.

    Example:

    >>> kernel = psd_kernels.ExponentiatedQuadratic(length_scale=2.0)
    >>> approximation = FourierFeatures(kernel, dimension=3, num_features=4096, seed=0)
    >>> x, y = [[0.0, 0.0, 0.0]], [[1.0, -1.0, 0.5]]
    >>> bool(abs(kernel.apply(x, y) - approximation.apply(x, y))[0] < 0.05)
    True

    References:
        Rahimi and Recht 2007, algorithm 1; Sutherland and Schneider 2015, on why cosines and sines
        of the same frequencies, rather than random phases.
    """

    def __init__(
        self,
        kernel: Kernel,
        dimension: int,
        num_features: int = 1024,
        seed: int = 0,
        name: str = "FourierFeatures",
    ) -> None:
        parameters = dict(locals())
        check_kernel(kernel)
        check_dimension("dimension", dimension)
        check_dimension("num_features", num_features)
        if num_features % 2:
            raise ValueError(
                "Expected `num_features` to be even: cosines and sines. "
                f"Received: num_features={num_features}."
            )
        check_integer("seed", seed)
        with tf.init_scope():
            gaussians = as_gaussians(kernel)
        if gaussians is None:
            raise ValueError(
                "Expected `kernel` to be a Gaussian, rational quadratic or Matern kernel, or a sum "
                f"or product of such. Received: kernel={kernel!r}."
            )
        # No dtype: the features have the precision of the points, whatever that of `kernel`.
        super().__init__(feature_ndims=1, dtype=None, name=name, parameters=parameters)
        self.kernel = kernel
        self.dimension = dimension
        self.num_features = num_features
        self.seed = seed
        with tf.init_scope():
            log_heights, squared_widths = (value.numpy() for value in heights_and_widths(gaussians))
        shares = np.cumsum(np.exp(log_heights))
        self._height = float(shares[-1])
        rng = np.random.default_rng(seed)
        # Stratified: each term's number of frequencies is its share of them, rounded up or down.
        positions = (np.arange(num_features // 2) + rng.random()) * 2.0 / num_features
        terms = np.searchsorted(shares, positions * self._height, side="right")
        widths = np.sqrt(squared_widths[np.minimum(terms, len(shares) - 1)])
        self.frequencies = rng.standard_normal([num_features // 2, dimension]) / widths[:, None]

    @classmethod
    def _parameter_properties(cls, dtype: Any) -> dict[str, Any]:
        return {"kernel": tfp.util.ParameterProperties(event_ndims=0, is_tensor=False)}

    def features(self, points: tf.Tensor) -> tf.Tensor:
        """Computes f(x) for every point.

        Args:
            points: float32 or float64 [..., dimension].

        Returns:
            Tensor [..., num_features] of the same dtype; the sum of the squares of a row is
            kernel(x, x).

        Raises:
            ValueError: if the points do not have `dimension` coordinates.
        """
        # Phases in turns and in float64: far from the origin, float32 would have no digits left.
        points = tf.convert_to_tensor(points)
        self.check_length(points.shape[-1])
        turns = tf.tensordot(
            tf.cast(points, tf.float64), self.frequencies / (2.0 * np.pi), [[-1], [1]]
        )
        # The cosines, which cost the most, are computed in the precision of the points.
        phases = 2.0 * np.pi * tf.cast(turns - tf.round(turns), points.dtype)
        return self.stack(tf.cos(phases), tf.sin(phases))

    def check_length(self, length: int) -> None:
        """Raises ValueError unless `length`, a number of coordinates, is `dimension`."""
        if length != self.dimension:
            raise ValueError(
                "Expected `kernel.dimension` to be the number of coordinates. "
                f"Received: kernel.dimension={self.dimension}, coordinates={length}."
            )

    def stack(self, cosines: tf.Tensor, sines: tf.Tensor) -> tf.Tensor:
        """Scales and joins averages of cos w'x and sin w'x, [..., m] each, as `features` does."""
        scale = (2.0 * self._height / self.num_features) ** 0.5
        return tf.cast(scale, cosines.dtype) * tf.concat([cosines, sines], axis=-1)

    def _batch_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.constant([], tf.int32)

    def _apply(self, x1: tf.Tensor, x2: tf.Tensor, example_ndims: int = 0) -> tf.Tensor:
        return tf.reduce_sum(self.features(x1) * self.features(x2), axis=-1)

    def _matrix(self, x1: tf.Tensor, x2: tf.Tensor) -> tf.Tensor:
        return tf.matmul(self.features(x1), self.features(x2), transpose_b=True)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "kernel": self.kernel,
            "dimension": self.dimension,
            "num_features": self.num_features,
            "seed": self.seed,
            "name": self.name,
        }


def average_over_features(
    features: tf.Tensor, estimator: str, shares: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Averages f(z_i)' f(z_j) over pairs of samples, at a cost linear in their number.

        biased    |sum_i w_i f(z_i)|^2
        unbiased  the same, minus the pairs of a sample with itself, sum_i w_i^2 |f(z_i)|^2

    Args:
        features: [n, m], f(z_i).
        estimator: "unbiased" or "biased".
        shares: [n], w_i, of sum one or zero.

    Returns:
        The average, zero if no pair has weight, and the sum of the weights of the pairs, as
        `average_within` returns them.
    """
    total = tf.reduce_sum(tf.square(mean_features(features, shares)))
    mass = mass_of_pairs(estimator, shares)
    if estimator == "unbiased":
        weights = tf.square(shares)
        total -= tf.reduce_sum(weights * tf.reduce_sum(tf.square(features), axis=1))
    return tf.math.divide_no_nan(total, mass), mass


def mean_features(features: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
    """Returns sum_i w_i f(z_i), [m]."""
    return tf.linalg.matvec(features, shares, transpose_a=True)
