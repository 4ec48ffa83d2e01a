"""The check of class probabilities that scores are computed from."""

from typing import Any

import numpy as np

from aae_tf.evaluation.check_entries import check_entries

# What sixteen bits make of a softmax.
_TOLERANCE = 0.01


def check_probabilities(argument: str, probabilities: Any) -> np.ndarray:
    """Returns class probabilities as float32 [n, k], or says what is wrong with them.

    Args:
        argument: name of the argument, for messages.
        probabilities: float [n, k]; rows sum to one within 0.01.

    Raises:
        TypeError: if `probabilities` is no array of floats.
        ValueError: if there are none, or they are no probabilities.
    """
    probabilities = check_entries(argument, probabilities, (None,))
    excess = np.abs(probabilities.sum(axis=1) - 1.0)
    if probabilities.min() < 0.0 or excess.max() > _TOLERANCE:
        row = int(np.where(probabilities.min(axis=1) < 0.0, np.inf, excess).argmax())
        raise ValueError(
            f"Expected `{argument}` to be probabilities: not negative, rows that sum to one. "
            f"Received: {argument}[{row}]={probabilities[row]}."
        )
    return probabilities
