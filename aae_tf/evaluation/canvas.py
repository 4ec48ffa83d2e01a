"""Blank pages for every figure of this package."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 150
FONT_SIZE = 9


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """Makes a figure with one set of axes, without pyplot: no display and no global state.

    Args:
        width: inches.
        height: inches.

    Returns:
        The figure, ready for `savefig`, and its axes.
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
    """
    figure = Figure(figsize=(width, height), dpi=DPI, layout="compressed")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat:
        axes.tick_params(labelsize=FONT_SIZE - 1)
    return figure, grid
