"""A code of a model, and what it is drawn to."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow_probability as tfp


class Code(NamedTuple):
    """One code and its matching.

    Attributes:
        prior: what its aggregated posterior is drawn to; event_shape [width].
        divergence: a `Divergence`; None where a model has the code and does not match it.
        output: its key in the model's `sample_codes`.
        num_classes: number of the prior's components where labels choose one, None elsewhere.
        is_gaussian: whether it is a sample of a `posteriors.Gaussian`, whose `mean` and
            `log_variance` `sample_codes` gives beside it. `BaseAAE` says so.

    Example:

    >>> from aae_tf import divergences, priors
    >>> Code(priors.gaussian(2), divergences.MMD()).output
    'latents'
    """

    prior: tfp.distributions.Distribution
    divergence: Any
    output: str = "latents"
    num_classes: int | None = None
    is_gaussian: bool = False

    @property
    def connect_arguments(self) -> dict[str, Any]:
        """What `Divergence.connect` is told beyond prior and seed."""
        arguments: dict[str, Any] = {}
        if self.num_classes is not None:
            arguments["num_classes"] = self.num_classes
        if self.is_gaussian:
            arguments["has_gaussian_posterior"] = True
        return arguments


def weight_seeds(seed: int | None) -> list[int]:
    """Gives seeds for initial weights: of the posterior, of two divergences, of the class head, of
    the cluster heads.
    """
    return [int(word) for word in np.random.SeedSequence(seed).generate_state(5)]
