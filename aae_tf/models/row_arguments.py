"""Seeds and labels of samples, one for each row."""

from typing import Any

import numpy as np

from aae_tf import priors


def row_seeds(n: int | None, seed: Any) -> np.ndarray:
    """Gives each row its seed.

    Args:
        n: number of rows; None where `seed` has one for each.
        seed: integer, or integers [n].

    Returns:
        int64 [n].

    Raises:
        ValueError: if `n` is missing, or does not match `seed`.
    """
    seeds = np.asarray(seed)
    if seeds.ndim == 0:
        if n is None:
            raise ValueError(
                "Expected `n` to be given where `seed` is one integer. Received: n=None."
            )
        return priors.row_seeds(n, int(seeds))
    if seeds.ndim != 1 or not np.issubdtype(seeds.dtype, np.integer) or n not in (None, len(seeds)):
        raise ValueError(
            "Expected `seed` to be an integer, or one integer for each of `n` rows. "
            f"Received: n={n}, seed with shape={seeds.shape}, dtype={seeds.dtype}."
        )
    return seeds.astype(np.int64)


def row_labels(labels: Any, n: int, num_classes: int) -> np.ndarray:
    """Gives each row its label.

    Args:
        labels: None, an integer, or integers [n].
        n: number of rows.
        num_classes: labels lie in [-1, num_classes).

    Returns:
        int64 [n]; -1 where the label is to be drawn.

    Raises:
        TypeError: if labels are no integers.
        ValueError: if there are not `n`, or one is out of its range.
    """
    array = np.asarray(-1 if labels is None else labels)
    if array.dtype.kind not in "iu":
        raise TypeError(
            "Expected `labels` to be an integer or integers [n]. "
            f"Received: labels with dtype={array.dtype}."
        )
    if array.shape not in ((), (n,)):
        raise ValueError(
            f"Expected `labels` to be one integer, or one for each of {n} samples. "
            f"Received: labels.shape={array.shape}."
        )
    if array.size and (array.min() < -1 or array.max() >= num_classes):
        raise ValueError(
            f"Expected `labels` in [-1, {num_classes}). "
            f"Received: labels from {array.min()} to {array.max()}."
        )
    return np.broadcast_to(array, [n]).astype(np.int64)
