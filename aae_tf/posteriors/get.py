"""Posteriors by name."""

from aae_tf.posteriors.deterministic import Deterministic
from aae_tf.posteriors.gaussian import Gaussian
from aae_tf.posteriors.posterior import Posterior
from aae_tf.posteriors.universal import Universal

_BY_NAME = {"deterministic": Deterministic, "gaussian": Gaussian, "universal": Universal}


def get(identifier: str | Posterior) -> Posterior:
    """Returns the posterior that a name or an instance stands for.

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
    if isinstance(identifier, Posterior):
        return identifier
    if not isinstance(identifier, str):
        raise TypeError(
            "Expected `posterior` to be a name or a `aae_tf.posteriors.Posterior`. "
            f"Received: posterior={identifier!r}."
        )
    if identifier not in _BY_NAME:
        raise ValueError(
            f"Expected `posterior` to be one of {', '.join(map(repr, _BY_NAME))}, or an instance. "
            f"Received: posterior={identifier!r}."
        )
    return _BY_NAME[identifier]()
