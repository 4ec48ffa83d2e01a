"""Expectations of a kernel under a distribution, in closed form."""

import tensorflow as tf

from aae_tf.mmd.arguments import (
    check_dimensions,
    check_distribution,
    check_kernel,
    check_points,
)
from aae_tf.mmd.registry import embed
from aae_tf.mmd.types import Distribution, Kernel


def mean_embedding(
    distribution: Distribution,
    kernel: Kernel,
    points: tf.Tensor,
) -> tf.Tensor:
    """Computes mu(z) = E k(z, X), X drawn from `distribution`, at every point z.

    Args:
        distribution: `tfd.Distribution` with event_shape [d] and batch_shape [].
        kernel: kernel of `tfp.math.psd_kernels` with feature_ndims 1 and batch_shape [].
        points: float32 or float64 [n, d].

    Returns:
        Tensor [n] of the dtype of `points`, between 0 and amplitude^2 for a Gaussian kernel.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if shapes do not fit, or known values are not finite or not positive.
        NotImplementedError: if no rule is registered for the two types.

    Example:

    >>> import tensorflow_probability as tfp
    >>> normal = tfp.distributions.Sample(tfp.distributions.Normal(0.0, 1.0), 2)
    >>> kernel = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=1.0)
    >>> mean_embedding(normal, kernel, [[0.0, 0.0]]).numpy().tolist()
    [0.5]

    References:
        Rustamov 2019, arXiv:1901.03227, section 3.
    """
    check_distribution(distribution)
    check_kernel(kernel)
    points = check_points("points", points)
    check_dimensions("points", points, "distribution.event_shape", distribution.event_shape)
    return embed(distribution, kernel).evaluate(points)


def mean_embedding_norm(distribution: Distribution, kernel: Kernel) -> tf.Tensor:
    """Computes E k(X, Y), X and Y drawn independently from `distribution`.

    This is the squared norm of the mean embedding in the space of the kernel.

    Args:
        distribution: `tfd.Distribution` with event_shape [d] and batch_shape [].
        kernel: kernel of `tfp.math.psd_kernels` with feature_ndims 1 and batch_shape [].

    Returns:
        Scalar of the dtype of `distribution`, float32 if that is none of floating point; between
        0 and amplitude^2 for a Gaussian kernel.

    Raises:
        TypeError: if an argument is no distribution or no kernel.
        ValueError: if its shapes are others, or a parameter of the kernel is not positive.
        NotImplementedError: if no rule is registered for the two types.

    Example:

    >>> import tensorflow_probability as tfp
    >>> normal = tfp.distributions.Sample(tfp.distributions.Normal(0.0, 1.0), 2)
    >>> kernel = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=2.0)
    >>> round(float(mean_embedding_norm(normal, kernel)), 6)
    0.666667

    References:
        Rustamov 2019, arXiv:1901.03227, section 3.
    """
    check_distribution(distribution)
    check_kernel(kernel)
    dtype = tf.as_dtype(distribution.dtype)
    norm = embed(distribution, kernel).norm()
    return tf.cast(norm, dtype if dtype.is_floating else tf.float32)
