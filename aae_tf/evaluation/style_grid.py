"""Styles against classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from aae_tf import data
from aae_tf.evaluation.canvas import FONT_SIZE
from aae_tf.evaluation.mosaic import check_images, draw_page, gap_for, mosaic

_INCHES = 0.5


def style_grid(images: Any, titles: Sequence[str] | None = None) -> Figure:
    """Draws one style in each row and one class in each column.

    A model that tells style from class shows the same slant and stroke along a row, and the same
    digit down a column.

    Args:
        images: float [styles, classes, height, width] or [styles, classes, height, width, 1 or
            3]: what the decoder makes of each style with each class. Values outside [0, 1] are
            clipped.
        titles: one for each class; None numbers them from 0.

    Returns:
        Figure with the titles above the columns.

    Raises:
        TypeError: if `images` is no array of floats.
        ValueError: if `images` are no grid of images, or `titles` are not as many as classes.

    Example:

    >>> images = np.random.default_rng(0).random((4, 10, 8, 8, 1))
    >>> figure = style_grid(images)
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()][:3]
    ['0', '1', '2']

    References:
        Makhzani et al. 2016, *Adversarial Autoencoders*, figure 6 (arXiv:1511.05644).
    """
    images = data.check_array(images, "images")
    if images.ndim not in (4, 5):
        raise ValueError(
            "Expected `images` to be [styles, classes, height, width] or [styles, classes, "
            f"height, width, channels]. Received: images.shape={images.shape}."
        )
    num_classes = images.shape[1]
    tiles = check_images("images[style]", images.reshape(-1, *images.shape[2:]))
    titles = [str(k) for k in range(num_classes)] if titles is None else list(titles)
    if len(titles) != num_classes:
        raise ValueError(
            f"Expected `titles` to have one entry for each of the {num_classes} classes. "
            f"Received: titles={titles!r}."
        )
    figure, axes = draw_page(mosaic(tiles, num_classes), _INCHES * num_classes, 0.1, 0.3)
    width = tiles.shape[2]
    centres = np.arange(num_classes) * (width + gap_for(tiles)) + (width - 1) / 2
    axes.xaxis.tick_top()
    axes.set_xticks(centres, titles, fontsize=FONT_SIZE)
    axes.tick_params(length=0)
    return figure
