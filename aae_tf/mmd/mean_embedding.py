"""Expectations of a kernel under a distribution, in closed form."""

import tensorflow as tf

from aae_tf.mmd.arguments import (
    Distribution,
    Kernel,
    check_count,
    check_dimensions,
    check_distribution,
    check_kernel,
    check_points,
    check_same_dtype,
)
from aae_tf.mmd.pairs import kernel_matrix
from aae_tf.mmd.registry import embed


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
        ValueError: if a shape is another, or a parameter of the kernel is not positive.
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


def witness(
    points: tf.Tensor, samples: tf.Tensor, distribution: Distribution, kernel: Kernel
) -> tf.Tensor:
    """Computes the witness function: the excess of samples around each point, under the kernel.

        witness(t) = (1/n) sum_i k(t, z_i) - E k(t, X), X from `distribution`

    It is positive where the samples z_i have more mass than `distribution`, negative where they
    have less. Up to a factor, it is the function in the kernel's space whose averages over the
    samples and under `distribution` differ most; for the witness function itself, they differ by
    the biased MMD^2.

    Args:
        points: float32 or float64 [m, d], t.
        samples: of the same dtype, [n, d], at least one.
        distribution: `tfd.Distribution` with event_shape [d] and batch_shape [].
        kernel: kernel of `tfp.math.psd_kernels` with feature_ndims 1 and batch_shape [].

    Returns:
        Tensor [m] of the same dtype, in the unit of k: between -1 and 1 where k is between 0 and
        1. Memory grows with m n.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if shapes do not fit, there are no samples, or known values are not finite.
        NotImplementedError: if no rule is registered for the two types.

    Example:

    >>> import tensorflow_probability as tfp
    >>> normal = tfp.distributions.Sample(tfp.distributions.Normal(0.0, 1.0), 1)
    >>> kernel = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=1.0)
    >>> samples = tf.random.stateless_normal([500, 1], seed=[0, 1]) + 1.0
    >>> left, right = witness([[-1.0], [2.0]], samples, normal, kernel)
    >>> bool(left < -0.2), bool(right > 0.2)
    (True, True)

    References:
        Gretton et al. 2012, section 2.3. Differs: the sign, and the exact average under
        `distribution`.
    """
    points, samples = check_points("points", points), check_points("samples", samples)
    check_same_dtype("samples", samples, "points", points)
    check_distribution(distribution)
    check_kernel(kernel)
    for argument, rows in (("points", points), ("samples", samples)):
        check_dimensions(argument, rows, "distribution.event_shape", distribution.event_shape)
    check_count("samples", samples, "biased")
    expected = embed(distribution, kernel).evaluate(points)
    return tf.reduce_mean(kernel_matrix(kernel, points, samples), axis=1) - expected
