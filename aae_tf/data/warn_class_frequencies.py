"""The warning of classes that are not as frequent as the prior says."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from aae_tf.data.check_labels import check_labels
from aae_tf.data.multinomial_test import frequency_contradiction


def warn_class_frequencies(labels: Any, probs: Any, stacklevel: int = 2) -> None:
    """Warn where the known labels contradict the class prior.

    Two things must hold. Pearson's test of the class frequencies has a p-value below 0.001, so
    that one of a thousand runs on data that do follow the prior is warned by mistake; where a class
    is expected fewer than five times, the p-value comes from multinomial draws. And the total
    variation distance of the two frequencies, sum |q - p| / 2, is at least 1%: with enough labels
    any difference is significant, but this distance is the share of examples that an encoder must
    put into a wrong class to match the prior, and a discriminator that sees nothing else is right
    in (1 + distance) / 2 of all cases, 50.5%.

    Labels that were chosen to be balanced (see `labelled_subset`) say nothing of the data: they
    pass under any prior that allows their classes. They are told by equal counts beside unknown
    labels.

    Args:
        labels: integer array [n], classes 0 to K - 1; -1 where a label is unknown.
        probs: float array [K], the class prior.
        stacklevel: int, as in `warnings.warn`.

    Raises:
        TypeError: if `labels` holds no integers.
        ValueError: if `labels` has another shape, or a class out of range.

    Warns:
        UserWarning: with both frequencies and the p-value.

    Example:
        >>> warn_class_frequencies([0, 1, 1, 0, -1], [0.5, 0.5])

    References:
        Makhzani et al. 2016, *Adversarial Autoencoders* (arXiv:1511.05644), section 5, balance
        the classes: an encoder that is to match other frequencies must mix classes up.
    """
    probs = np.asarray(probs, np.float64)
    probs = probs / probs.sum()
    labels = check_labels(labels, "labels", len(probs))
    counts = np.bincount(labels[labels >= 0], minlength=len(probs))
    total = counts.sum()
    if not total or _chosen(counts, len(labels), probs):
        return
    contradiction = frequency_contradiction(counts, probs)
    if contradiction:
        warnings.warn(
            f"The {total} known labels have the {contradiction} An encoder that matches this prior "
            "puts at least that share of the examples into a wrong class. Pass "
            "`class_prior=priors.from_labels(labels, num_classes)`, or balance the classes with "
            "`data.balance_classes`.",
            UserWarning,
            stacklevel=stacklevel,
        )


def _chosen(counts: np.ndarray, num_rows: int, probs: np.ndarray) -> bool:
    equal = len(np.unique(counts)) == 1
    return equal and bool((probs > 0.0).all()) and counts.sum() < num_rows
