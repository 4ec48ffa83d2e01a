"""The seeds of a model's initial weights."""

from typing import NamedTuple

import keras
import numpy as np

_LARGEST = 2**31 - 1


class WeightSeeds(NamedTuple):
    """Seeds of the parts of a model that are not given to it.

    Attributes:
        posterior: of the posterior's head.
        divergences: of the divergence of each code.
        class_head: of the class code's head.
        cluster_heads: of the heads of clusters in an embedding.
    """

    posterior: int
    divergences: tuple[int, ...]
    class_head: int
    cluster_heads: int


def weight_seeds(seed: int | None, num_codes: int = 2) -> WeightSeeds:
    """Derives the seeds of initial weights from that of a model.

    Args:
        seed: non-negative integer; None draws one from Keras' own generator, as layers without a
            seed do, so that `keras.utils.set_random_seed` fixes it.
        num_codes: number of codes.
    """
    if seed is None:
        seed = int(keras.random.randint((), 0, _LARGEST, dtype="int32"))
    words = np.random.SeedSequence(seed).generate_state(5 + max(num_codes - 2, 0))
    posterior, first, second, class_head, cluster_heads, *further = map(int, words)
    divergences = (first, second, *further)[:num_codes]
    return WeightSeeds(posterior, divergences, class_head, cluster_heads)
