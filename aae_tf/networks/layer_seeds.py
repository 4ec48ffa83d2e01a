"""Seeds for the layers of one network."""

from collections.abc import Iterator

import numpy as np

from aae_tf.checks import check_integer


def layer_seeds(seed: int | None) -> Iterator[int | None]:
    """Yields one seed after another, each independent of the others, from a single `seed`.

    Args:
        seed: non-negative integer, or None for unseeded layers.

    Yields:
        Integers in [0, 2**31), or None for ever when `seed` is None.

    Raises:
        TypeError: if `seed` is no integer.
        ValueError: if it is negative.
    """
    if seed is not None:
        check_integer("seed", seed)
    sequence = None if seed is None else np.random.SeedSequence(seed)
    while True:
        if sequence is None:
            yield None
        else:
            yield int(sequence.spawn(1)[0].generate_state(1)[0] >> 1)
