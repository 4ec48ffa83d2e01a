"""The squared MMD in units of its noise."""

import tensorflow as tf

from aae_tf.mmd.arguments import check_weights
from aae_tf.mmd.estimators import squared_mmd
from aae_tf.mmd.null_distribution import null_variance
from aae_tf.mmd.pair_noise import inverse_noise
from aae_tf.mmd.types import Distribution, Kernel


def standardized_mmd(
    samples: tf.Tensor,
    distribution: Distribution,
    kernel: Kernel,
    weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """Estimates MMD^2 in standard deviations of what chance alone would give.

        unbiased MMD^2 / sqrt(2 V / (n(n-1)))

    V is `null_variance`, the average is zero and the variance one if the n samples come from
    `distribution`. The distribution is skewed, with more mass far above zero than a normal one: a
    value below 2 is noise level whatever kernel and distribution, a few percent of all values lie
    above 2 by chance. With weights w, 2 / (n(n-1)) is 2 sum w_i^2 w_j^2 / (sum w_i w_j)^2, sums
    over pairs i != j.

    While a `tf.function` is traced, V is computed once; the number of samples may be unknown.

    Args:
        samples: float32 or float64 [n, d], at least two.
        distribution: `tfd.Distribution` with event_shape [d] and batch_shape [] whose parameters
            are known values.
        kernel: kernel of `tfp.math.psd_kernels` with feature_ndims 1 and batch_shape []; as wide
            as the question: see `default_kernel`.
        weights: [n], not negative: how often each sample counts. None counts each once. Where
            they leave no pair, the value is zero.

    Returns:
        Scalar of the dtype of `samples`, in standard deviations.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if shapes do not fit, there are too few samples, known values are not finite
            or negative (`weights`), or all of `distribution` looks alike under `kernel`.
        NotImplementedError: if no rule is registered for the two types.

    Example:

    >>> from aae_tf import priors
    >>> from aae_tf.mmd import default_kernel
    >>> normal = priors.gaussian(2)
    >>> samples, kernel = normal.sample(200, seed=[0, 1]), default_kernel(normal)
    >>> bool(standardized_mmd(samples, normal, kernel) < 2.0)
    True
    >>> bool(standardized_mmd(samples + 1.0, normal, kernel) > 50.0)
    True

    References:
        Gretton et al. 2012, theorem 12; the standardisation is that of Rustamov 2019,
        arXiv:1901.03227.
    """
    estimate = squared_mmd(samples, distribution, kernel, weights=weights)
    variance = null_variance(distribution, kernel)
    if variance == 0.0:
        raise ValueError(
            "Expected `distribution` to draw points that differ under `kernel`. "
            f"Received: distribution={distribution!r}, kernel={kernel!r}, whose noise is zero."
        )
    samples = tf.convert_to_tensor(samples)
    if weights is not None:
        weights = check_weights("weights", weights, samples)
    return estimate * inverse_noise(samples, weights) / variance**0.5
