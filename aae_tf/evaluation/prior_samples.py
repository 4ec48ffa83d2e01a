"""Many samples of a prior, fast."""

from collections.abc import Iterator

import numpy as np
import tensorflow_probability as tfp

from aae_tf import priors

_CHUNK = 100_000


def prior_samples(
    prior: tfp.distributions.Distribution, count: int, seed: int
) -> Iterator[np.ndarray]:
    """Draws samples in chunks: wide codes of a large number of them would not fit.

    From a mixture of a thousand components, such as a fine swiss roll, TensorFlow Probability draws
    a thousand samples for each one; `priors.sample` draws one.

    Args:
        prior: distribution with event_shape [code_dim], with or without a density.
        count: number of samples.
        seed: integer that fixes them.

    Yields:
        [k, code_dim], k <= 100,000, `count` in all.
    """
    for chunk, start in enumerate(range(0, count, _CHUNK)):
        size = min(_CHUNK, count - start)
        yield np.asarray(priors.sample(prior, size, seed=[chunk, seed]))
