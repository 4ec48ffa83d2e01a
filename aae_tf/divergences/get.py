"""Divergences by name."""

from aae_tf.checks import resolve
from aae_tf.divergences.adversarial import Adversarial
from aae_tf.divergences.divergence import Divergence
from aae_tf.divergences.mmd import MMD

_BY_NAME = {"adversarial": Adversarial, "mmd": MMD}


def get(identifier: str | Divergence, argument: str = "divergence") -> Divergence:
    """Returns the divergence of a name, or the instance itself.

    Args:
        identifier: "adversarial", "mmd", or a `Divergence`.
        argument: name of the argument, for messages.

    Returns:
        A new `Divergence` for a name, the instance itself otherwise.

    Raises:
        ValueError: if the name is unknown.
        TypeError: if `identifier` is neither a name nor a `Divergence`.

    Example:

    >>> type(get("mmd")).__name__
    'MMD'
    """
    return resolve(argument, identifier, Divergence, _BY_NAME)
