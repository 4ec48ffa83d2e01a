"""The one-hot categorical prior."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.checks import check_integer
from aae_tf.priors.arguments import check_distribution_of_classes


def categorical(num_classes: int, probs: Any = None) -> tfp.distributions.Distribution:
    """Build the prior of a class: one-hot vectors.

    Args:
        num_classes: int, number of classes K, at least 2.
        probs: [K], how often each class occurs: positive, of sum 1. None makes all equally
            frequent. Where the classes of the data are not, so should be this prior (see
            `from_labels`): an adversary sees any difference at once.

    Returns:
        `tfd.OneHotCategorical`, float32, event_shape [K].

    Raises:
        TypeError: if an argument is of the wrong type.
        ValueError: if an argument is out of range.

    Example:
        >>> prior = categorical(3, probs=[0.5, 0.25, 0.25])
        >>> float(prior.prob([0.0, 1.0, 0.0]))
        0.25

    References:
        Makhzani et al. 2016, *Adversarial Autoencoders*, sections 5 and 6 (arXiv:1511.05644).
    """
    check_integer("num_classes", num_classes, minimum=2)
    if probs is None:
        probs = np.full(num_classes, 1 / num_classes)
    probs = check_distribution_of_classes("probs", probs, int(num_classes))
    # Constants even where this runs inside a tf.function.
    with tf.init_scope():
        return tfp.distributions.OneHotCategorical(probs=probs.astype(np.float32), dtype=tf.float32)
