"""A window onto a space of codes, which one or several axes show."""

import numpy as np
import tensorflow_probability as tfp
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from aae_tf.evaluation.canvas import FONT_SIZE
from aae_tf.evaluation.label_groups import LabelGroup
from aae_tf.evaluation.prior_density import PriorDensity, mass_levels, thickness
from aae_tf.evaluation.projection import project
from aae_tf.evaluation.square_limits import square_limits

INK = "0.2"
_MASSES = (0.5, 0.8, 0.95)
_GRID = 200
_BINS = 50
# Cells from the edge to the ridge of a band that has room for lines inside.
_ROOM = 6


class LatentView:
    """What a figure shows of codes and their prior: axes, limits, contours.

    Two dimensions are shown as they are; of more, the first two principal components of all codes
    of the figure; one is a histogram. The density of the prior is computed once for all axes.

    Args:
        codes: float32 [n, code_dim], all codes that fix the plane and the limits.
        prior: distribution with event_shape [code_dim], or None.
        heads: float32 [m, code_dim], further codes to make room for, or None.
        seed: integer that fixes the prior's samples and the order in which points are drawn.

    Raises:
        ValueError: if the prior has another width than the codes.
    """

    def __init__(
        self,
        codes: np.ndarray,
        prior: tfp.distributions.Distribution | None,
        heads: np.ndarray | None,
        seed: int,
    ) -> None:
        if prior is not None and tuple(prior.event_shape) != codes.shape[1:]:
            raise ValueError(
                "Expected `prior` to have the width of `codes`. Received: codes.shape="
                f"{codes.shape}, prior with event_shape={tuple(prior.event_shape)}."
            )
        self._projection = project(codes)
        self._seed = seed
        corners = [self._projection.apply(codes)]
        if heads is not None:
            corners.append(self._projection.apply(heads))
        density = None if prior is None else PriorDensity(prior, self._projection, seed)
        if density is not None:
            corners.append(density.extent())
        limits = square_limits(np.concatenate(corners))
        self._grid = [np.linspace(low, high, _GRID) for low, high in limits]
        self._density = None if density is None else density.on_grid(self._grid)

    def draw(
        self,
        axes: Axes,
        codes: np.ndarray,
        groups: list[LabelGroup],
        heads: np.ndarray | None = None,
    ) -> None:
        """Draws codes, the prior's contours below and above them, and heads on top.

        Args:
            axes: where.
            codes: float32 [n, code_dim].
            groups: which of them have which colour.
            heads: float32 [m, code_dim], shown with their numbers.
        """
        grid, density = self._grid, self._density
        points = self._projection.apply(codes)
        marks = None if heads is None else self._projection.apply(heads)
        axes.set_xlim(grid[0][0], grid[0][-1])
        axes.set_xlabel(self._projection.names[0], fontsize=FONT_SIZE)
        if len(grid) == 1:
            _draw_histogram(axes, points[:, 0], groups, grid[0])
            if density is not None:
                axes.plot(grid[0], density, color=INK, linewidth=1.2)
            axes.set_ylabel("density", fontsize=FONT_SIZE)
            if marks is not None:
                # On the axis itself, where the bars start.
                _draw_heads(axes, np.column_stack([marks, np.zeros(len(marks))]))
            return
        _draw_points(axes, points, groups, self._seed)
        if density is not None:
            _draw_contours(axes, grid, density)
        if marks is not None:
            _draw_heads(axes, marks)
        axes.set(ylim=(grid[1][0], grid[1][-1]), aspect="equal")
        axes.set_ylabel(self._projection.names[1], fontsize=FONT_SIZE)


def _draw_points(axes: Axes, points: np.ndarray, groups: list[LabelGroup], seed: int) -> None:
    colors = np.empty((len(points), 3))
    for group in groups:
        colors[group.rows] = to_rgb(group.color)
    order = np.random.default_rng(seed).permutation(len(points))
    axes.scatter(
        points[order, 0],
        points[order, 1],
        c=colors[order],
        s=np.clip(8000.0 / len(points), 3.0, 14.0),
        linewidths=0,
        alpha=0.8,
        rasterized=True,
        zorder=2,
    )


def _draw_contours(axes: Axes, grid: list[np.ndarray], density: np.ndarray) -> None:
    levels = mass_levels(density, _MASSES)
    if not len(levels):
        return
    # Fills lie behind the points, thin lines above them: crowded codes hide neither.
    axes.contourf(
        *grid,
        density.T,
        levels=[*levels, np.inf],
        colors=["0.975", "0.945", "0.91"][-len(levels) :],
        zorder=1,
    )
    # Lines inside a narrow band would hide the colours of its codes.
    is_narrow = thickness(density >= levels[0]) < _ROOM
    axes.contour(
        *grid,
        density.T,
        levels=levels[:1] if is_narrow else levels,
        colors=INK,
        linewidths=0.5 if is_narrow else 0.7,
        zorder=3,
    )


def _draw_histogram(
    axes: Axes, points: np.ndarray, groups: list[LabelGroup], grid: np.ndarray
) -> None:
    bins = np.linspace(grid[0], grid[-1], _BINS + 1)
    axes.hist(
        [points[group.rows] for group in groups],
        bins.tolist(),
        # Densities of all codes together, so that the prior's curve is the target.
        weights=[
            np.full(group.rows.sum(), 1.0 / (len(points) * (bins[1] - bins[0]))) for group in groups
        ],
        color=[group.color for group in groups],
        stacked=True,
    )


def _draw_heads(axes: Axes, marks: np.ndarray) -> None:
    axes.scatter(
        marks[:, 0],
        marks[:, 1],
        s=110,
        color="white",
        edgecolors=INK,
        linewidths=1.0,
        zorder=4,
        clip_on=False,
    )
    for number, mark in enumerate(marks):
        axes.annotate(
            str(number),
            mark,
            ha="center",
            va="center_baseline",
            color=INK,
            fontsize=FONT_SIZE - 2,
            zorder=5,
        )
