"""The square that a figure of codes shows."""

import numpy as np

_MARGIN = 1.04


def square_limits(points: np.ndarray) -> np.ndarray:
    """Gives the limits of a square around points, with a margin.

    Args:
        points: [n, 2], at least one.

    Returns:
        [2, 2]: low and high of either axis.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    # Codes that have collapsed to one point still get a box.
    radius = _MARGIN * max((high - low).max() / 2.0, 1e-3)
    centre = (low + high) / 2.0
    return np.stack([centre - radius, centre + radius], axis=1)
