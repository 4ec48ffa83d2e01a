"""Samples of a model on a grid."""

import math
from typing import Any

from matplotlib.figure import Figure

from aae_tf.checks import check_dimension
from aae_tf.evaluation.mosaic import check_images, draw_page, mosaic

_INCHES = 0.5


def sample_grid(samples: Any, columns: int | None = None) -> Figure:
    """Draws images row by row.

    Args:
        samples: float [n, height, width], [n, height, width, 1] or [n, height, width, 3]; values
            outside [0, 1] are clipped.
        columns: images in a row; None makes the grid as square as it can be.

    Returns:
        Figure with all samples.

    Raises:
        TypeError: if `samples` is no array of floats.
        ValueError: if `samples` are no images, or `columns` is no positive integer.

    Example:

    >>> import numpy as np
    >>> figure = sample_grid(np.random.default_rng(0).random((16, 8, 8, 3)))
    >>> figure.axes[0].images[0].get_array().shape
    (35, 35, 3)
    """
    samples = check_images("samples", samples)
    columns = math.ceil(math.sqrt(len(samples))) if columns is None else columns
    columns = min(check_dimension("columns", columns), len(samples))
    figure, _ = draw_page(mosaic(samples, columns), _INCHES * columns, left=0.1, bottom=0.1)
    return figure
