"""Priors of discrete codes: one-hot vectors of classes, and independent bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.checks import check_integer
from aae_tf.priors.arguments import check_distribution_of_classes, check_probabilities

tfd = tfp.distributions


def categorical(num_classes: int, probs: Any = None) -> tfp.distributions.Distribution:
    """Builds the prior of a class: one-hot vectors.

    Args:
        num_classes: int, number of classes K, at least 2.
        probs: [K], the frequency of each class: positive, of sum 1. None makes all classes equally
            frequent. The frequencies should be those of the data (see `from_labels`): a
            discriminator learns any difference at once.

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
    # Parameters are eager constants, also if this runs inside a tf.function.
    with tf.init_scope():
        return tfp.distributions.OneHotCategorical(probs=probs.astype(np.float32), dtype=tf.float32)


def from_labels(labels: Any, num_classes: int) -> tfp.distributions.Distribution:
    """Builds the categorical prior with the class frequencies of the data.

    Class probabilities that are right on every input cannot match a prior with other class
    frequencies: a discriminator then tells the two apart, and training diverges.

    Args:
        labels: integers [n] in 0 ... K - 1, -1 where the class is unknown. The known labels should
            be a random sample of the data, and not chosen to be balanced.
        num_classes: int, number of classes K, at least 2.

    Returns:
        `tfd.OneHotCategorical`, float32, event_shape [K].

    Raises:
        TypeError: if an argument is of the wrong type.
        ValueError: if an argument is out of range, no label is known, or a class has no label, so
            that its probability would be zero.

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


def bernoulli(dim: int, probs: Any = 0.5) -> tfp.distributions.Distribution:
    """Builds the prior of a binary code: `dim` independent bits.

    Args:
        dim: int, dimension of the code, at least 1.
        probs: probability of a one, in [0, 1]: a number, or [dim], one for each bit.

    Returns:
        `tfd.Independent` of `tfd.Bernoulli`, float32, event_shape [dim].

    Raises:
        TypeError: if an argument is of the wrong type.
        ValueError: if an argument is out of range.

    Example:

    >>> prior = bernoulli(2, probs=[0.5, 0.25])
    >>> float(prior.prob([1.0, 0.0]))
    0.375
    """
    check_integer("dim", dim, minimum=1)
    shape = (int(dim),) if np.ndim(probs) else ()
    probs = check_probabilities("probs", probs, shape).astype(np.float32)
    # Parameters are eager constants, also if this runs inside a tf.function.
    with tf.init_scope():
        bits = tfd.Bernoulli(probs=np.full(dim, probs), dtype=tf.float32)
        return tfd.Independent(bits, reinterpreted_batch_ndims=1)
