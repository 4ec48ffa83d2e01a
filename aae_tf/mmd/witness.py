"""Where samples and a distribution differ."""

import tensorflow as tf

from aae_tf.mmd.arguments import (
    check_count,
    check_dimensions,
    check_distribution,
    check_kernel,
    check_points,
    check_same_dtype,
)
from aae_tf.mmd.kernel_matrix import kernel_matrix
from aae_tf.mmd.registry import embed
from aae_tf.mmd.types import Distribution, Kernel


def witness(
    points: tf.Tensor, samples: tf.Tensor, distribution: Distribution, kernel: Kernel
) -> tf.Tensor:
    """Computes by how much there are too many samples around each point, as the kernel sees it.

        witness(t) = (1/n) sum_i k(t, z_i) - E k(t, X), X from `distribution`

    Positive where the samples z_i have too much mass, negative where they have too little. Among
    all functions of the kernel's space this one, up to its scale, has the most different averages
    over the samples and under `distribution`; their difference is the biased MMD^2.

    Args:
        points: float32 or float64 [m, d], t.
        samples: of the same dtype, [n, d], at least one.
        distribution: `tfd.Distribution` with event_shape [d] and batch_shape [].
        kernel: kernel of `tfp.math.psd_kernels` with feature_ndims 1 and batch_shape [].

    Returns:
        Tensor [m] of the same dtype, in the unit of k: between -1 and 1 where k is between 0 and
        1. The memory grows with m n.

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
