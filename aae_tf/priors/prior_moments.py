"""Location and scale of a prior, coordinate by coordinate."""

import numpy as np
import tensorflow_probability as tfp

_NUM_SAMPLES = 10_000


def prior_moments(prior: tfp.distributions.Distribution) -> tuple[np.ndarray, np.ndarray]:
    """Gives the mean and the standard deviation of each coordinate of a prior.

    Known ones are the distribution's own; otherwise they come from 10,000 samples with a fixed
    seed. Where they do not exist (heavy tails) or the prior has no width, 0 and 1 stand in.

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
