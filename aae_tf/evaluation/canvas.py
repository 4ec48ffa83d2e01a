"""Matplotlib figures without pyplot: blank axes, and images tiled on one page.

Matplotlib is an extra: it is imported when a figure is drawn, by the functions that need it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aae_tf.checks import import_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FONT_SIZE = 9
LINE_COLOR = "0.2"
_DPI = 150
_LONGEST_NAME = 24
_TITLE_INCHES = 0.2
# Inches: a narrower page, such as that of one image, has no room for its names.
_NARROWEST = 1.0


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """Makes a figure with one set of axes, without pyplot: no display and no global state.

    Args:
        width: inches.
        height: inches.

    Returns:
        The figure, ready for `savefig`, and its axes.

    Raises:
        ImportError: if Matplotlib is not installed.
    """
    figure, grid = new_panels(width, height, 1, 1)
    return figure, grid[0, 0]


def new_panels(width: float, height: float, rows: int, columns: int) -> tuple[Figure, np.ndarray]:
    """Makes a figure with a grid of axes that share their limits, without pyplot.

    Args:
        width: inches.
        height: inches.
        rows: of the grid.
        columns: of the grid.

    Returns:
        The figure, ready for `savefig`, and its axes [rows, columns].

    Raises:
        ImportError: if Matplotlib is not installed.
    """
    figure = import_extra("matplotlib.figure", "figures").Figure(
        figsize=(width, height), dpi=_DPI, layout="compressed"
    )
    import_extra("matplotlib.backends.backend_agg", "figures").FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat:
        axes.tick_params(labelsize=FONT_SIZE - 1)
    return figure, grid


def set_title(axes: Axes, title: str | None) -> None:
    """Writes a title above axes, as it stands: a dollar sign begins no mathematics.

    Args:
        axes: below the title.
        title: one line or several; None writes nothing.
    """
    if title:
        axes.set_title(title, fontsize=FONT_SIZE, loc="left", parse_math=False)


def shorten(name: str) -> str:
    """Cuts a name that is too long for a legend or an axis."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."


def image_gap(images: np.ndarray) -> int:
    """Returns the space between tiled images, in pixels: one fourteenth of their height."""
    return max(1, images.shape[1] // 14)


def tile_images(images: np.ndarray, columns: int) -> np.ndarray:
    """Lays images out row by row on white; one `imshow` draws thousands as fast as one.

    Args:
        images: float [n, height, width, channels].
        columns: images in a row.

    Returns:
        float32 [rows * (height + gap) - gap, columns * (width + gap) - gap, channels], with gap
        = `image_gap(images)`. Places without an image are white.
    """
    count, height, width, channels = images.shape
    gap = image_gap(images)
    rows = -(-count // columns)
    tiles = np.ones((rows * columns, height + gap, width + gap, channels), np.float32)
    tiles[:count, :height, :width] = images
    tiles = tiles.reshape(rows, columns, height + gap, width + gap, channels)
    page = tiles.swapaxes(1, 2).reshape(rows * (height + gap), columns * (width + gap), channels)
    return page[:-gap, :-gap]


def draw_page(
    page: np.ndarray, width: float, left: float, bottom: float, title: str | None = None
) -> tuple[Figure, Axes]:
    """Draws tiled images on a figure of their size, without a frame and without interpolation.

    Args:
        page: float [height, width, channels], clipped to [0, 1].
        width: of the page, inches.
        left: inches beside the page, for labels.
        bottom: inches below it.
        title: above it; None leaves no space.

    Returns:
        The figure and its axes, without ticks.
    """
    top = _TITLE_INCHES * len(title.splitlines()) if title else 0.0
    height = width * page.shape[0] / page.shape[1] + bottom + top
    figure, axes = new_axes(max(width + left, _NARROWEST), height)
    set_title(axes, title)
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
