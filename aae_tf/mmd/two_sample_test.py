"""Whether two samples come from one distribution."""

import tensorflow as tf

from aae_tf.mmd.arguments import (
    check_count,
    check_dimensions,
    check_kernel,
    check_points,
    check_same_dtype,
)
from aae_tf.mmd.groups import off_diagonal
from aae_tf.mmd.kernel_matrix import kernel_matrix
from aae_tf.mmd.median_kernel import median_kernel
from aae_tf.mmd.mmd_test_result import MMDTestResult
from aae_tf.mmd.resampling import check_resampling, random_splits
from aae_tf.mmd.types import Kernel

_FACTORS = (1 / 8, 1 / 4, 1 / 2, 1.0)


def two_sample_test(
    x: tf.Tensor,
    y: tf.Tensor,
    kernel: Kernel | None = None,
    num_permutations: int = 1000,
    seed: int = 0,
) -> MMDTestResult:
    """Tests whether independent samples `x` and `y` come from the same distribution.

    The statistic is the unbiased MMD^2 of `squared_mmd_two_samples`. If both samples come from
    one distribution, any split of their pool into n and m rows is as likely as the given one; B
    random splits give B further values of the statistic, and

        p_value = (1 + how many are at least the statistic) / (B + 1)

    So p_value <= a has probability a or less for any number of samples (exactly a, if a (B + 1)
    is an integer and no two values are equal). Where one side is a known distribution,
    `goodness_of_fit` finds more.

    The kernel values of the pool are computed once, and a split costs one product with them: time
    grows with (n + m)^2 B, memory with (n + m)^2. Runs inside a `tf.function` too.

    Args:
        x: float32 or float64 [n, d], at least two.
        y: of the same dtype, [m, d], at least two.
        kernel: kernel of `tfp.math.psd_kernels` with feature_ndims 1 and batch_shape []. None
            takes a sum of Gaussian kernels as wide as the median distance within the pool, its
            half, quarter and eighth (`median_kernel`), which sees coarse and fine differences. It
            is the same for every split, so that p_value stays exact; the samples must be known.
        num_permutations: B; p_value is a multiple of 1 / (B + 1).
        seed: integer in [0, 2^31) that fixes the splits.

    Returns:
        `MMDTestResult` of the dtype of `x`.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if shapes do not fit, there are too few samples, known values are not finite,
            or a number is out of its range; without `kernel`, if all rows of the pool are equal.

    Example:

    >>> x = tf.random.stateless_normal([60, 2], seed=[0, 1])
    >>> y = tf.random.stateless_normal([40, 2], seed=[0, 2])
    >>> bool(two_sample_test(x, y).p_value > 0.05)
    True
    >>> bool(two_sample_test(x, y + 1.0).p_value < 0.01)
    True

    References:
        Gretton et al. 2012, lemma 6; Phipson and Smyth 2010, section 2 (why one is added).
    """
    x, y = check_points("x", x), check_points("y", y)
    check_same_dtype("y", y, "x", x)
    check_dimensions("y", y, "x.shape", x.shape)
    check_count("x", x, "unbiased")
    check_count("y", y, "unbiased")
    check_resampling("num_permutations", num_permutations, seed)
    pool = tf.concat([x, y], axis=0)
    if kernel is None:
        kernel = median_kernel(pool, _FACTORS)
    check_kernel(kernel)
    values = kernel_matrix(kernel, pool, pool)
    return random_splits(values * off_diagonal(values), tf.shape(x)[0], num_permutations, seed)
