"""What an export can be asked: the signatures of a model as functions of arrays."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from aae_tf.serving.client.calls import Arrays


class Question(NamedTuple):
    """A signature, its inputs, and how to read its outputs.

    Attributes:
        signature_name: The signature.
        inputs: Arrays [batch, ...] by input name, at least one row.
        read: From the outputs to what the caller gets.
    """

    signature_name: str
    inputs: Arrays
    read: Callable[[Arrays], Any] = dict


def encode(inputs: ArrayLike) -> Question:
    """Asks for latents; see `Client.encode`."""
    return Question("encode", _float_rows(inputs=inputs), itemgetter("latents"))


def classify(inputs: ArrayLike) -> Question:
    """Asks for classes; see `Client.classify`."""
    return Question("classify", _float_rows(inputs=inputs))


def reconstruct(inputs: ArrayLike) -> Question:
    """Asks for reconstructions; see `Client.reconstruct`."""
    return Question("reconstruct", _float_rows(inputs=inputs), itemgetter("outputs"))


def score(inputs: ArrayLike) -> Question:
    """Asks for what tells an anomaly; see `Client.score`."""
    return Question("score", _float_rows(inputs=inputs))


def decode(latents: ArrayLike, class_probabilities: ArrayLike | None = None) -> Question:
    """Asks for outputs; see `Client.decode`."""
    rows = _float_rows(latents=latents)
    if class_probabilities is not None:
        rows |= _float_rows(class_probabilities=class_probabilities)
    return Question("decode", rows, itemgetter("outputs"))


def sample(seeds: ArrayLike, labels: ArrayLike | None = None) -> Question:
    """Asks for samples; see `Client.sample`."""
    rows = {"seed": _integers("seeds", seeds)}
    if labels is not None:
        labels = np.full(len(rows["seed"]), labels) if np.ndim(labels) == 0 else labels
        rows["label"] = _integers("labels", labels)
    return Question("sample", rows)


def _float_rows(**arrays: ArrayLike) -> Arrays:
    return {name: _rows(name, array, np.float32) for name, array in arrays.items()}


def _integers(argument: str, value: ArrayLike) -> np.ndarray:
    kind = np.asarray(value).dtype.kind
    if kind not in "iu" and np.size(value):
        raise TypeError(f"Expected `{argument}` to be integers. Received: {argument}={value!r}.")
    return _rows(argument, value, np.int64)


def _rows(argument: str, value: ArrayLike, dtype: DTypeLike) -> np.ndarray:
    # Servers differ on empty batches: JSON loses their shape, and batching may fail on them.
    rows = np.asarray(value, dtype)
    if rows.ndim == 0 or len(rows) == 0:
        raise ValueError(
            f"Expected `{argument}` to have at least one row. "
            f"Received: {argument} of shape {rows.shape}."
        )
    return rows
