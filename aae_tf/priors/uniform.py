"""The uniform prior on a box."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.checks import check_integer, check_number

tfd = tfp.distributions


def uniform(dim: int, low: float = -1.0, high: float = 1.0) -> tfp.distributions.Distribution:
    """Build the uniform prior on the box [low, high)^dim.

    Args:
        dim: int, dimension of the code, at least 1.
        low: float, lower edge of the box in every coordinate.
        high: float, upper edge, greater than `low` in float32.

    Returns:
        `tfd.Independent` of `tfd.Uniform`, float32, event_shape [dim].

    Raises:
        TypeError: if an argument is of the wrong type.
        ValueError: if an argument is out of range.

    Example:
        >>> prior = uniform(dim=2, low=0.0, high=4.0)
        >>> float(prior.prob([1.0, 3.0]))
        0.0625
    """
    check_integer("dim", dim, minimum=1)
    check_number("low", low)
    check_number("high", high)
    if not np.float32(low) < np.float32(high):
        raise ValueError(
            f"Expected `low` to be less than high in float32. Received: low={low!r}, high={high!r}."
        )
    # Constants even where this runs inside a tf.function.
    with tf.init_scope():
        box = tfd.Uniform(low=np.full(dim, low, np.float32), high=np.full(dim, high, np.float32))
        return tfd.Independent(box, reinterpreted_batch_ndims=1)
