"""The check of a prior whose components stand for classes."""

from typing import Any

import tensorflow_probability as tfp

from aae_tf import priors
from aae_tf.models.check_prior import check_prior


def check_components(prior: Any, num_classes: int) -> tfp.distributions.Distribution:
    """Refuses a prior that has not one component for each class.

    Args:
        prior: what the caller gave as `prior`.
        num_classes: number of classes.

    Returns:
        The prior.

    Raises:
        TypeError: if `prior` is no distribution.
        ValueError: if it has no components, or another number of them.
    """
    check_prior("prior", prior)
    components = priors.num_components(prior)
    if components is None:
        raise ValueError(
            "Expected `prior` to be a mixture with one component for each class, such as "
            f"priors.ring_mixture({num_classes}). Received: prior={prior!r}."
        )
    if components != num_classes:
        raise ValueError(
            "Expected `num_classes` to be the number of components of `prior`. "
            f"Received: num_classes={num_classes}, prior with {components} components."
        )
    return prior
