"""Posteriors by name."""

from aae_tf.checks import resolve
from aae_tf.posteriors.deterministic import Deterministic
from aae_tf.posteriors.gaussian import Gaussian
from aae_tf.posteriors.posterior import Posterior
from aae_tf.posteriors.universal import Universal

_BY_NAME = {"deterministic": Deterministic, "gaussian": Gaussian, "universal": Universal}


def get(identifier: str | Posterior) -> Posterior:
    """Returns the posterior of a name, or the instance itself.

    Args:
        identifier: "deterministic", "gaussian", "universal", or a `Posterior`.

    Returns:
        A new `Posterior` for a name, the instance itself otherwise.

    Raises:
        ValueError: if the name is unknown.
        TypeError: if `identifier` is neither a name nor a `Posterior`.

    Example:

    >>> type(get("gaussian")).__name__
    'Gaussian'
    """
    return resolve("posterior", identifier, Posterior, _BY_NAME)
