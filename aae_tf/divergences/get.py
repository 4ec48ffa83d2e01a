"""Divergences by name."""

from collections.abc import Callable

from aae_tf.checks import resolve
from aae_tf.divergences.adversarial import Adversarial
from aae_tf.divergences.divergence import Divergence
from aae_tf.divergences.mmd import MMD
from aae_tf.divergences.sliced_wasserstein import SlicedWasserstein
from aae_tf.mmd import Energy, SlicedGaussian

_BY_NAME: dict[str, Callable[[], Divergence]] = {
    "adversarial": Adversarial,
    "mmd": MMD,
    "energy": lambda: MMD(kernel=Energy()),
    "sliced_wasserstein": SlicedWasserstein,
    "sliced": lambda: MMD(kernel=SlicedGaussian()),
}


def get(identifier: str | Divergence, argument: str = "divergence") -> Divergence:
    """Returns the divergence of a name, or the instance itself.

    Args:
        identifier: "adversarial", "mmd", "energy" for `MMD(kernel=mmd.Energy())`,
            "sliced" for `MMD(kernel=mmd.SlicedGaussian())`, "sliced_wasserstein", or a
            `Divergence`.
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
