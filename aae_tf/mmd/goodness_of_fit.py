"""Whether samples come from a distribution."""

import tensorflow as tf

from aae_tf import priors
from aae_tf.mmd.arguments import (
    check_count,
    check_dimensions,
    check_distribution,
    check_kernel,
    check_points,
)
from aae_tf.mmd.constants import constant
from aae_tf.mmd.groups import off_diagonal
from aae_tf.mmd.kernel_matrix import kernel_matrix
from aae_tf.mmd.mmd_test_result import MMDTestResult
from aae_tf.mmd.registry import embed, has_mean_embedding
from aae_tf.mmd.resampling import check_resampling, wild_bootstrap
from aae_tf.mmd.two_sample_test import two_sample_test
from aae_tf.mmd.types import Distribution, Kernel
from aae_tf.mmd.widths import default_kernel


def goodness_of_fit(
    samples: tf.Tensor,
    distribution: Distribution,
    kernel: Kernel | None = None,
    num_bootstrap: int = 1000,
    seed: int = 0,
) -> MMDTestResult:
    """Tests whether independent samples come from `distribution`.

    The statistic is the unbiased MMD^2 of `squared_mmd`, the average over pairs i != j of

        h(x, y) = k(x, y) - mu(x) - mu(y) + c

    the kernel with the exact mean embedding mu and norm c of `distribution` taken out. If the
    samples come from it, h averages to zero in each argument, and random signs, e_i e_j h_ij, give
    averages that are distributed like the statistic (the wild bootstrap). With B of them,

        p_value = (1 + how many are at least the statistic) / (B + 1)

    Measured on 1,000 samples of size 50 from N(0, I) in two dimensions, p_value <= 0.05 in 4% of
    them: with few samples the test is a little cautious.

    Where `aae_tf.mmd` has no closed form, the samples are compared with as many draws of
    `distribution` by `two_sample_test`: the statistic is then the MMD^2 of two samples, with more
    noise, and the test finds less.

    Time grows with n^2 B, memory with n^2: of more than some thousand samples, take some. Runs
    inside a `tf.function` too.

    Args:
        samples: float32 or float64 [n, d], at least two; independent of each other, and not used
            to choose `distribution` or `kernel`.
        distribution: `tfd.Distribution` with event_shape [d] and batch_shape [].
        kernel: kernel of `tfp.math.psd_kernels` with feature_ndims 1 and batch_shape []. None
            takes `default_kernel` of the distribution, which must then be known values.
        num_bootstrap: B; p_value is a multiple of 1 / (B + 1).
        seed: integer in [0, 2^31) that fixes signs and draws.

    Returns:
        `MMDTestResult` of the dtype of `samples`.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if shapes do not fit, there are too few samples, known values are not finite,
            or a number is out of its range.

    Example:

    >>> from aae_tf import priors
    >>> normal = priors.gaussian(2)
    >>> samples = normal.sample(100, seed=[0, 1])
    >>> bool(goodness_of_fit(samples, normal).p_value > 0.05)
    True
    >>> bool(goodness_of_fit(1.5 * samples, normal).p_value < 0.01)
    True

    References:
        Gretton et al. 2012, lemma 6 and theorem 12; Chwialkowski et al. 2014, arXiv:1408.5404,
        section 3 (the wild bootstrap, here of independent samples: random signs). Differs: the
        centring by `distribution` is exact.
    """
    samples = check_points("samples", samples)
    check_distribution(distribution)
    check_dimensions("samples", samples, "distribution.event_shape", distribution.event_shape)
    check_count("samples", samples, "unbiased")
    check_resampling("num_bootstrap", num_bootstrap, seed)
    if kernel is None:
        with tf.init_scope():
            kernel = default_kernel(distribution)
    check_kernel(kernel)
    if not has_mean_embedding(distribution, kernel):
        # Another seed than that of the splits.
        draws = priors.sample(distribution, tf.shape(samples)[0], seed=[-1, seed])
        draws = tf.ensure_shape(tf.cast(draws, samples.dtype), samples.shape)
        return two_sample_test(samples, draws, kernel, num_bootstrap, seed)

    embedding = embed(distribution, kernel)
    mu = embedding.evaluate(samples)
    values = kernel_matrix(kernel, samples, samples) - mu[:, tf.newaxis] - mu
    values += constant(embedding.norm(), samples.dtype)
    return wild_bootstrap(values * off_diagonal(values), num_bootstrap, seed)
