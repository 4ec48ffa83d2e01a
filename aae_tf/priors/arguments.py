"""Checks of probabilities and labels, whose messages name the argument."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

_TOLERANCE = 1e-4


def check_probabilities(argument: str, values: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Returns `values` as float64 of `shape`, or raises unless they are numbers in [0, 1]."""
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise TypeError(
            f"Expected `{argument}` to be numbers. Received: {argument}={values!r}."
        ) from None
    if array.shape != shape:
        raise ValueError(
            f"Expected `{argument}` to have shape {list(shape)}. "
            f"Received: {argument}.shape={list(array.shape)}."
        )
    if not ((array >= 0.0) & (array <= 1.0)).all():
        raise ValueError(
            f"Expected `{argument}` to lie in [0, 1]. Received: {argument}={values!r}."
        )
    return array


def check_distribution_of_classes(argument: str, probs: Any, num_classes: int) -> np.ndarray:
    """Returns `probs` as float64 [num_classes] that sum to one, or raises naming `argument`."""
    array = check_probabilities(argument, probs, (num_classes,))
    if abs(array.sum() - 1.0) > _TOLERANCE:
        raise ValueError(
            f"Expected `{argument}` to sum to 1. Received: {argument}={probs!r}, "
            f"which sum to {array.sum():g}."
        )
    if not (array > 0.0).all():
        raise ValueError(
            f"Expected `{argument}` to be positive, because a class that never occurs has no log "
            f"density. Received: {argument}={probs!r}."
        )
    return array / array.sum()


def check_labels(argument: str, labels: Any) -> tf.Tensor:
    """Returns `labels` as an int64 tensor [n], or raises unless they are integers of that rank."""
    labels = tf.convert_to_tensor(labels, dtype_hint=tf.int64)
    if not labels.dtype.is_integer:
        raise TypeError(
            f"Expected `{argument}` to be integers. Received: {argument}.dtype={labels.dtype.name}."
        )
    if labels.shape.rank != 1:
        raise ValueError(
            f"Expected `{argument}` to have shape [n]. Received: {argument}.shape={labels.shape}."
        )
    return tf.cast(labels, tf.int64)


def check_labels_of(argument: str, labels: Any, count: int) -> tf.Tensor:
    """Returns `labels` as int64 [n] in [-1, count); values are checked when known.

    Labels out of range become -1 where a graph computes them as it runs and nothing can be raised.
    """
    labels = check_labels(argument, labels)
    known = tf.get_static_value(labels)
    if known is not None and known.size and not (known.min() >= -1 and known.max() < count):
        raise ValueError(
            f"Expected `{argument}` to lie in -1 ... {count - 1}, -1 for unknown. "
            f"Received: {argument} from {known.min()} to {known.max()}."
        )
    return tf.where((labels >= 0) & (labels < count), labels, tf.constant(-1, tf.int64))
