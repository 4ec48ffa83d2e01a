"""Divergences by name."""

from aae_tf.divergences.adversarial import Adversarial
from aae_tf.divergences.divergence import Divergence
from aae_tf.divergences.mmd import MMD

_BY_NAME = {"adversarial": Adversarial, "mmd": MMD}


def get(identifier: str | Divergence) -> Divergence:
    """Returns the divergence that a name or an instance stands for.

    Args:
        identifier: "adversarial", "mmd", or a `Divergence`.

    Returns:
        A new `Divergence` for a name, the instance itself otherwise.

    Raises:
        ValueError: if the name is unknown.
        TypeError: if `identifier` is neither a name nor a `Divergence`.

    Example:

    >>> type(get("mmd")).__name__
    'MMD'
    """
    if isinstance(identifier, Divergence):
        return identifier
    if not isinstance(identifier, str):
        raise TypeError(
            "Expected `divergence` to be a name or a `aae_tf.divergences.Divergence`. "
            f"Received: divergence={identifier!r}."
        )
    if identifier not in _BY_NAME:
        raise ValueError(
            f"Expected `divergence` to be one of {', '.join(map(repr, _BY_NAME))}, or an instance. "
            f"Received: divergence={identifier!r}."
        )
    return _BY_NAME[identifier]()
