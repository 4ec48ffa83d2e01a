"""How far chance alone puts codes from their prior."""

import math

import tensorflow_probability as tfp

from aae_tf import mmd


def mismatch_noise(
    prior: tfp.distributions.Distribution,
    kernel: tfp.math.psd_kernels.PositiveSemidefiniteKernel,
    count: int,
) -> float:
    """Computes the standard deviation of the unbiased MMD^2 where codes are samples of the prior.

    Args:
        prior: distribution with event_shape [code_dim].
        kernel: kernel on its samples.
        count: number of codes, at least two; and of samples of the prior, with which they are
            compared where `aae_tf.mmd` has no closed form.

    Returns:
        Positive number in the unit of MMD^2.

    References:
        Gretton et al. 2012, theorem 12; see `mmd.null_variance`.
    """
    # The variance is 2 null_variance times the sum of the squared weights of the pairs.
    pairs = 1.0 / (count * (count - 1))
    if not mmd.has_mean_embedding(prior, kernel):
        pairs = 2.0 * pairs + 2.0 / count**2
    return math.sqrt(2.0 * mmd.null_variance(prior, kernel) * pairs)
