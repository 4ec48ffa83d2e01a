"""Checks of arguments that several files of evaluation share."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from aae_tf import data

# Rows of a float16 softmax sum to one within this.
_SUM_TOLERANCE = 0.01


def check_entries(argument: str, x: Any, shape: Sequence[int | None] | None = None) -> np.ndarray:
    """Returns `x` as float32 [n, ...], n > 0; raises as `data.check_array`, or if it is empty."""
    x = data.check_array(x, argument, shape)
    if 0 in x.shape:
        raise ValueError(
            f"Expected `{argument}` to have at least one entry. "
            f"Received: {argument}.shape={x.shape}."
        )
    return x


def check_probabilities(argument: str, probabilities: Any) -> np.ndarray:
    """Returns class probabilities as float32 [n, k].

    Args:
        argument: name of the argument, for messages.
        probabilities: float [n, k]; rows sum to one within 0.01.

    Raises:
        TypeError: if `probabilities` is no array of floats.
        ValueError: if it is empty, or a row is negative somewhere or does not sum to one.
    """
    probabilities = check_entries(argument, probabilities, (None,))
    excess = np.abs(probabilities.sum(axis=1) - 1.0)
    if probabilities.min() < 0.0 or excess.max() > _SUM_TOLERANCE:
        row = int(np.where(probabilities.min(axis=1) < 0.0, np.inf, excess).argmax())
        raise ValueError(
            f"Expected `{argument}` to be probabilities: not negative, rows that sum to one. "
            f"Received: {argument}[{row}]={probabilities[row]}."
        )
    return probabilities


def check_images(argument: str, images: Any) -> np.ndarray:
    """Returns images as float32 [n, height, width, channels].

    Args:
        argument: name of the argument, for messages.
        images: float [n, height, width], [n, height, width, 1] or [n, height, width, 3].

    Raises:
        TypeError: if `images` is no array of floats.
        ValueError: if there are none, they have another shape, or a value is not finite.
    """
    images = data.check_array(images, argument)
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"Expected `{argument}` to be images [n, height, width], [n, height, width, 1] or "
            f"[n, height, width, 3], at least one. Received: {argument}.shape={images.shape}."
        )
    return images
