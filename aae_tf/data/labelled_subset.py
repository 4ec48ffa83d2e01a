"""Class-balanced subsets of labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from aae_tf.checks import check_integer
from aae_tf.data.check_labels import check_labels


def labelled_subset(y: Any, num_labels: int, seed: int = 0) -> np.ndarray:
    """Keep a random, class-balanced subset of the labels and forget the others.

    Every class keeps `num_labels / num_classes` labels. With the same seed, a smaller subset is a
    part of a larger one.

    Args:
        y: integer array [n], classes 0, 1, ...; -1 where a label is unknown already.
        num_labels: int, number of labels to keep, a multiple of the number of classes in `y`.
        seed: int, seed of the choice, at least 0.

    Returns:
        int64 [n], with -1 where the label is forgotten.

    Raises:
        TypeError: if `y` holds no integers, or another argument is no integer.
        ValueError: if `y` is no vector with known labels, if a class has too few of them, or if
            `num_labels` cannot be shared equally.

    Example:
        >>> labelled_subset([0, 0, 1, 1, 1], num_labels=2, seed=0).tolist()
        [0, -1, -1, -1, 1]

    References:
        Makhzani et al. 2016, *Adversarial Autoencoders*, section 5 (arXiv:1511.05644).
    """
    y = check_labels(y, "y", required="some")
    check_integer("num_labels", num_labels)
    check_integer("seed", seed)
    classes, counts = np.unique(y[y >= 0], return_counts=True)
    per_class, remainder = divmod(num_labels, len(classes))
    if remainder or per_class > counts.min():
        raise ValueError(
            f"Expected `num_labels` to be a multiple of the {len(classes)} classes, and at most "
            f"{len(classes) * counts.min()}, as the smallest class has {counts.min()} labels. "
            f"Received: num_labels={num_labels}."
        )
    rng = np.random.default_rng(seed)
    kept = np.full(y.shape, -1, np.int64)
    for label in classes:
        kept[rng.permutation(np.flatnonzero(y == label))[:per_class]] = label
    return kept
