"""Images side by side in one array: one `imshow` draws thousands as fast as one."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aae_tf import data
from aae_tf.evaluation.canvas import new_axes


def check_images(argument: str, images: Any) -> np.ndarray:
    """Returns images as float32 [n, height, width, channels], or says what is wrong with them.

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


def gap_for(images: np.ndarray) -> int:
    """Gives the space between images that looks alike for every resolution, in pixels."""
    return max(1, images.shape[1] // 14)


def mosaic(images: np.ndarray, columns: int) -> np.ndarray:
    """Lays images out row by row on white.

    Args:
        images: float [n, height, width, channels].
        columns: images in a row.

    Returns:
        float32 [rows * (height + gap) - gap, columns * (width + gap) - gap, channels], with gap
        = `gap_for(images)`; what the last row lacks stays white.
    """
    count, height, width, channels = images.shape
    gap = gap_for(images)
    rows = -(-count // columns)
    tiles = np.ones((rows * columns, height + gap, width + gap, channels), np.float32)
    tiles[:count, :height, :width] = images
    tiles = tiles.reshape(rows, columns, height + gap, width + gap, channels)
    page = tiles.swapaxes(1, 2).reshape(rows * (height + gap), columns * (width + gap), channels)
    return page[:-gap, :-gap]


def draw_page(page: np.ndarray, width: float, left: float, bottom: float) -> tuple[Figure, Axes]:
    """Draws a mosaic: gray values or colours from 0 to 1, pixels as they are, no frame.

    Args:
        page: float [height, width, channels], clipped to [0, 1].
        width: of the page, inches.
        left: inches beside the page, for labels.
        bottom: inches below it.

    Returns:
        The figure and its axes, without ticks.
    """
    figure, axes = new_axes(width + left, width * page.shape[0] / page.shape[1] + bottom)
    page = np.clip(page, 0.0, 1.0)
    axes.imshow(
        page[..., 0] if page.shape[2] == 1 else page,
        cmap="gray",
        vmin=0.0,
        vmax=1.0,
        interpolation="nearest",
    )
    axes.tick_params(length=0)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return figure, axes
