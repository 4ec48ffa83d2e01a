"""How far codes are from their prior, and how far chance alone would put them."""

import numpy as np
import tensorflow_probability as tfp

from aae_tf import mmd
from aae_tf.evaluation.mismatch_noise import mismatch_noise

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
    kernel = mmd.default_kernel(prior)
    if mmd.has_mean_embedding(prior, kernel):
        value = mmd.squared_mmd(codes[rows], prior, kernel)
    else:
        samples = prior.sample(len(rows), seed=[seed, 0])
        value = mmd.squared_mmd_two_samples(codes[rows], samples, kernel)
    return float(value), mismatch_noise(prior, kernel, len(rows))
