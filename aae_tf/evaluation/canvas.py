"""A blank page for every figure of this package."""

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
    figure = Figure(figsize=(width, height), dpi=DPI, layout="compressed")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.tick_params(labelsize=FONT_SIZE - 1)
    return figure, axes
