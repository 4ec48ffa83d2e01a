"""How far codes are from their prior, and how far chance alone would put them."""

import math

import numpy as np
import tensorflow_probability as tfp

from aae_tf import mmd

_NUM_CODES = 2000


def prior_mismatch(
    codes: np.ndarray, prior: tfp.distributions.Distribution, seed: int
) -> tuple[float, float]:
    """Estimates MMD^2 between codes and prior under `mmd.default_kernel`, without bias.

    Args:
        codes: float32 [n, code_dim], at least two; at most 2,000 of them are looked at.
        prior: distribution with event_shape [code_dim].
        seed: non-negative integer that fixes which, and the prior's samples where its terms have
            no closed form.

    Returns:
        The estimate, and its standard deviation where codes are samples of the prior.
    """
    rows = np.random.default_rng(seed).permutation(len(codes))[:_NUM_CODES]
    count = len(rows)
    kernel = mmd.default_kernel(prior)
    # The variance is 2 null_variance times the sum of the squared weights of the pairs.
    pairs = 1.0 / (count * (count - 1))
    if mmd.has_mean_embedding(prior, kernel):
        value = mmd.squared_mmd(codes[rows], prior, kernel)
    else:
        samples = prior.sample(count, seed=[seed, 0])
        value = mmd.squared_mmd_two_samples(codes[rows], samples, kernel)
        pairs = 2.0 * pairs + 2.0 / count**2
    return float(value), math.sqrt(2.0 * mmd.null_variance(prior, kernel) * pairs)
