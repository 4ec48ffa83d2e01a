"""Divergences by name, alone or several for one code."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

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

One: TypeAlias = str | Divergence
Identifier: TypeAlias = One | Sequence[One] | Mapping[str, One]


def get(identifier: Identifier, argument: str = "divergence") -> Divergence | dict[str, Divergence]:
    """Returns the divergence of a name, or several by their log keys, or what it is given.

    The encoder lowers the sum of several divergences, each times its own weight. Their logs have
    the log key behind the name of the code: `latent_adversarial_divergence`,
    `latent_mmd_divergence`.

    Args:
        identifier: "adversarial", "mmd", "energy" for `MMD(kernel=mmd.Energy())`,
            "sliced" for `MMD(kernel=mmd.SlicedGaussian())`, "sliced_wasserstein", or a
            `Divergence`. A sequence of these are several; the log key of each is its name, or that
            of its class, such as "mmd". A dict gives the log keys itself.
        argument: name of the argument, for messages.

    Returns:
        A new `Divergence` for a name, the instance itself otherwise; of several a dict of them by
        log key.

    Raises:
        ValueError: if a name is unknown, a sequence or dict is empty, or a log key is no name or
            that of another divergence.
        TypeError: if `identifier`, or one of several, is neither a name nor a `Divergence`.

    Example:

    >>> type(get("mmd")).__name__
    'MMD'
    >>> {key: each.weight for key, each in get([MMD(weight=3.0), "adversarial"]).items()}
    {'mmd': 3.0, 'adversarial': None}
    >>> list(get({"near": "mmd", "far": "energy"}))
    ['near', 'far']
    """
    if isinstance(identifier, Mapping):
        keys, several = list(identifier), list(identifier.values())
    elif isinstance(identifier, Sequence) and not isinstance(identifier, str):
        keys, several = [_log_key(each) for each in identifier], list(identifier)
    else:
        return resolve(argument, identifier, Divergence, _BY_NAME)
    if not several:
        raise ValueError(
            f"Expected `{argument}` to hold one divergence or more. "
            f"Received: {argument}={identifier!r}."
        )
    found = [resolve(f"{argument}[{i}]", x, Divergence, _BY_NAME) for i, x in enumerate(several)]
    if not all(isinstance(key, str) and key.isidentifier() for key in keys):
        raise ValueError(
            f"Expected the keys of `{argument}` to be of letters, digits and underscores. "
            f"Received: {keys}."
        )
    if len(set(keys)) < len(keys) or len(set(map(id, found))) < len(found):
        raise ValueError(
            f"Expected each divergence of `{argument}` to have a log key of its own; a dict gives "
            f"them, {{key: divergence}}. Received: {keys}."
        )
    return dict(zip(keys, found, strict=True))


def _log_key(one: Any) -> Any:
    if isinstance(one, str):
        return one
    # Before a capital after a small letter, and before the last of several capitals.
    words = re.sub("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(one).__name__)
    return words.lower()
