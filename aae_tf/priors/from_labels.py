"""The categorical prior of labelled data."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow_probability as tfp

from aae_tf.checks import check_integer
from aae_tf.priors.categorical import categorical


def from_labels(labels: Any, num_classes: int) -> tfp.distributions.Distribution:
    """Build the categorical prior with the class frequencies of the data.

    A prior whose classes are more or less frequent than those of the data can never be matched:
    an adversary wins easily, and training blows up.

    Args:
        labels: integers [n] in 0 ... K - 1, -1 where the class is unknown. The known ones should
            be a fair sample of the data, which labels chosen to be balanced are not.
        num_classes: int, number of classes K, at least 2.

    Returns:
        `tfd.OneHotCategorical`, float32, event_shape [K].

    Raises:
        TypeError: if an argument is of the wrong type.
        ValueError: if an argument is out of range, no label is known, or a class has none: its
            probability would be zero.

    Example:
        >>> from_labels([0, 1, 1, -1, 1], num_classes=2).mean().numpy().tolist()
        [0.25, 0.75]
    """
    check_integer("num_classes", num_classes, minimum=2)
    labels = np.asarray(labels)
    if not np.issubdtype(labels.dtype, np.integer) and labels.size:
        raise TypeError(
            f"Expected `labels` to be integers. Received: labels.dtype={labels.dtype.name}."
        )
    if labels.ndim != 1:
        raise ValueError(
            f"Expected `labels` to have shape [n]. Received: labels.shape={labels.shape}."
        )
    known = labels[labels != -1].astype(np.int64)
    if not known.size:
        raise ValueError(
            "Expected `labels` to have at least one that is known. "
            f"Received: {labels.size} labels, all -1."
        )
    if known.min() < 0 or known.max() >= num_classes:
        raise ValueError(
            f"Expected `labels` to lie in -1 ... {num_classes - 1}, -1 for unknown. "
            f"Received: labels from {labels.min()} to {labels.max()}."
        )
    counts = np.bincount(known, minlength=num_classes)
    if not counts.all():
        raise ValueError(
            "Expected `labels` to contain every class, because one that never occurs has no log "
            f"density. Received: no label {', '.join(map(str, np.flatnonzero(counts == 0)))}."
        )
    return categorical(num_classes, counts / counts.sum())
