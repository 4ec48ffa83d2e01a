"""What a mixture consists of."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

# `tfd.MixtureSameFamily(...)` may return its private parent.
_Mixture: Any = tfd.MixtureSameFamily.__mro__[1]


def num_components(prior: Any) -> int | None:
    """Count the components that the labels of `conditional` and `sample_rows` name.

    Args:
        prior: `tfd.Distribution` with batch_shape [].

    Returns:
        The number of components of a `tfd.MixtureSameFamily` (of the outer mixture, if its
        components are mixtures), the number of classes of a `tfd.OneHotCategorical`, whose
        components are the one-hot vectors, and None for any other distribution.

    Example:
        >>> from aae_tf import priors
        >>> num_components(priors.ring_mixture(7)), num_components(priors.gaussian(2))
        (7, None)
    """
    if isinstance(prior, _Mixture):
        return int(prior.components_distribution.batch_shape[-1])
    if isinstance(prior, tfd.OneHotCategorical):
        return int(prior.event_shape[-1])
    return None


def check_components(argument: str, prior: Any) -> int:
    """Returns the number of components of `prior`, or raises ValueError naming `argument`."""
    count = num_components(prior)
    if count is None:
        raise ValueError(
            f"Expected `{argument}` to have components that labels can name: a "
            "tfd.MixtureSameFamily or a tfd.OneHotCategorical. "
            f"Received: {argument}={prior!r}."
        )
    return count


def split(prior: Any) -> tuple[tf.Tensor, Any]:
    """Take a mixture apart.

    Args:
        prior: `tfd.MixtureSameFamily` or `tfd.OneHotCategorical` with batch_shape [].

    Returns:
        The weights [K], and a distribution of batch_shape [K].
    """
    if isinstance(prior, _Mixture):
        return prior.mixture_distribution.probs_parameter(), prior.components_distribution
    weights = prior.probs_parameter()
    return weights, tfd.VectorDeterministic(tf.eye(weights.shape[-1], dtype=weights.dtype))
