"""The mean and the standard deviation of each coordinate of a prior."""

import numpy as np
import tensorflow_probability as tfp

_NUM_SAMPLES = 10_000


def prior_moments(prior: tfp.distributions.Distribution) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean and the standard deviation of each coordinate of a prior.

    They are the distribution's own where it implements them, and estimates from 10,000 samples with
    a fixed seed otherwise. A coordinate whose moments are not finite (heavy tails), or whose
    deviation is zero, gets the mean 0 and the deviation 1.

    Args:
        prior: distribution with event_shape [code_dim].

    Returns:
        Two float32 arrays [code_dim], finite, the second positive.
    """
    try:
        mean, deviation = prior.mean().numpy(), prior.stddev().numpy()
    except NotImplementedError:
        samples = prior.sample(_NUM_SAMPLES, seed=[0, 0]).numpy()
        mean, deviation = samples.mean(axis=0), samples.std(axis=0)
    usable = np.isfinite(mean) & np.isfinite(deviation) & (deviation > 0)
    return (
        np.where(usable, mean, 0.0).astype("float32"),
        np.where(usable, deviation, 1.0).astype("float32"),
    )
