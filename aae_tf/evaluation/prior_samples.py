"""Many samples of a prior, fast."""

from collections.abc import Iterator

import numpy as np
import tensorflow_probability as tfp

from aae_tf import priors
from aae_tf.priors.row_families import known_row_family

_CHUNK = 100_000


def prior_samples(
    prior: tfp.distributions.Distribution, count: int, seed: int
) -> Iterator[np.ndarray]:
    """Draws samples in chunks: wide codes of a large number of them would not fit.

    A mixture of a thousand components, such as a fine swiss roll, takes TensorFlow Probability a
    thousand samples for each one; `priors.sample_rows` takes one.

    Args:
        prior: distribution with event_shape [code_dim], with or without a density.
        count: number of samples.
        seed: integer that fixes them.

    Yields:
        float32 [k, code_dim], k <= 100,000, `count` in all.
    """
    by_row = known_row_family(prior) is not None
    for chunk, start in enumerate(range(0, count, _CHUNK)):
        size = min(_CHUNK, count - start)
        if by_row:
            seeds = priors.fold_rows(priors.row_seeds(size, seed), chunk)
            yield np.asarray(priors.sample_rows(prior, seeds))
        else:
            yield np.asarray(prior.sample(size, seed=[chunk, seed]))
