"""The prior of independent binary codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.checks import check_integer
from aae_tf.priors.arguments import check_probabilities

tfd = tfp.distributions


def bernoulli(dim: int, probs: Any = 0.5) -> tfp.distributions.Distribution:
    """Build the prior of a binary code: `dim` independent bits.

    Args:
        dim: int, dimension of the code, at least 1.
        probs: probability of a one, in [0, 1]: a number, or [dim], one for each bit.

    Returns:
        `tfd.Independent` of `tfd.Bernoulli`, float32, event_shape [dim].

    Raises:
        TypeError: if an argument is of the wrong type.
        ValueError: if an argument is out of range.

    Example:
        >>> prior = bernoulli(2, probs=[0.5, 0.25])
        >>> float(prior.prob([1.0, 0.0]))
        0.375
    """
    check_integer("dim", dim, minimum=1)
    shape = (int(dim),) if np.ndim(probs) else ()
    probs = check_probabilities("probs", probs, shape).astype(np.float32)
    # Constants even where this runs inside a tf.function.
    with tf.init_scope():
        bits = tfd.Bernoulli(probs=np.full(dim, probs), dtype=tf.float32)
        return tfd.Independent(bits, reinterpreted_batch_ndims=1)
