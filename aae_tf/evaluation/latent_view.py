"""Codes drawn on axes: points coloured by label over the contours of their prior."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow_probability as tfp

from aae_tf.evaluation.canvas import FONT_SIZE, LINE_COLOR
from aae_tf.evaluation.class_colors import LabelGroup
from aae_tf.evaluation.prior_density import (
    PriorDensity,
    mass_levels,
    project,
    square_limits,
    thickness,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CONTOUR_MASSES = (0.5, 0.8, 0.95)
_FILLS, _LINES = ("0.975", "0.945", "0.9"), ("0.68", "0.5", "0.2")
_GRID_SIZE = 200
_NUM_BINS = 50
# A band is narrow if it is nowhere farther than this from its edge, in cells of the grid.
_NARROW = 6
_MASS_TOLERANCE = 0.02
# Share of the codes beyond either end of an axis, and how much larger than without them the axes
# may become because of them.
_TAIL, _FAR = 0.005, 1.3


class Contour(NamedTuple):
    """A line of equal density of a prior.

    Attributes:
        level: the density on the line.
        name: share of the prior's mass within it, such as "80%".
        fill: grey of the region within it, as Matplotlib takes it.
        line: grey of the line.
    """

    level: float
    name: str
    fill: str
    line: str


class LatentView:
    """Draws codes and the contours of their prior, on one or several axes of the same limits.

    Two dimensions are shown as they are; of more, the first two principal components of all codes
    of the figure; one is a histogram. The density of the prior is computed once for all axes.

    The limits hold the prior and all codes. Where codes far from the others would shrink the prior,
    they hold the prior and the central 99% of the codes along each axis, and the others are drawn
    on the frame.

    Args:
        codes: float32 [n, code_dim], all codes that fix the plane and the limits.
        prior: distribution with event_shape [code_dim], or None.
        heads: float32 [m, code_dim], cluster heads that the limits must include, or None.
        seed: integer that fixes the prior's samples and the order in which points are drawn.

    Attributes:
        contours: of the prior, the outermost first; empty without a prior, and in one dimension.
        has_curve: whether the density of a one-dimensional prior is drawn.

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
        points = self._projection.apply(codes)
        corners = [] if heads is None else [self._projection.apply(heads)]
        density = None if prior is None else PriorDensity(prior, self._projection, seed)
        if density is not None:
            corners.append(density.extent())
        limits = square_limits(np.concatenate([points, *corners]))
        if density is not None:
            central = np.quantile(points, [_TAIL, 1.0 - _TAIL], axis=0)
            inner = square_limits(np.concatenate([central, *corners]))
            if np.ptp(limits[0]) > _FAR * np.ptp(inner[0]):
                limits = inner
        self._limits = limits
        self._grid = [np.linspace(low, high, _GRID_SIZE) for low, high in limits]
        self._density = None if density is None else density.on_grid(self._grid)
        self.has_curve = self._density is not None and len(self._grid) == 1
        self.contours: list[Contour] = []
        if self._density is not None and not self.has_curve:
            self.contours = _contours(self._density)

    def num_outside(self, codes: np.ndarray) -> int:
        """Counts the codes that lie outside the limits of the axes."""
        points = self._projection.apply(codes)
        return int(
            ((points < self._limits[:, 0]) | (points > self._limits[:, 1])).any(axis=1).sum()
        )

    def draw(
        self,
        axes: Axes,
        codes: np.ndarray,
        groups: list[LabelGroup],
        heads: np.ndarray | None = None,
    ) -> None:
        """Draws codes, the prior's contours below and above them, and heads on top.

        Args:
            axes: to draw on.
            codes: float32 [n, code_dim].
            groups: the codes of each colour.
            heads: float32 [m, code_dim], shown with their numbers.
        """
        grid, density = self._grid, self._density
        points = np.clip(self._projection.apply(codes), self._limits[:, 0], self._limits[:, 1])
        centres = None if heads is None else self._projection.apply(heads)
        axes.set_xlim(grid[0][0], grid[0][-1])
        axes.set_xlabel(self._projection.names[0], fontsize=FONT_SIZE)
        if len(grid) == 1:
            _draw_histogram(axes, points[:, 0], groups, grid[0])
            if density is not None:
                axes.plot(grid[0], density, color=LINE_COLOR, linewidth=1.2)
            axes.set_ylabel("density", fontsize=FONT_SIZE)
            if centres is not None:
                # Heads lie on the axis itself, where the bars start.
                _draw_heads(axes, np.column_stack([centres, np.zeros(len(centres))]))
            return
        _draw_points(axes, points, groups, self._seed)
        if density is not None:
            _draw_contours(axes, grid, density, self.contours)
        if centres is not None:
            _draw_heads(axes, centres)
        axes.set(ylim=(grid[1][0], grid[1][-1]), aspect="equal")
        axes.set_ylabel(self._projection.names[1], fontsize=FONT_SIZE)


def _draw_points(axes: Axes, points: np.ndarray, groups: list[LabelGroup], seed: int) -> None:
    from matplotlib.colors import to_rgb

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
        # Codes on the frame are drawn whole.
        clip_on=False,
    )


def _contours(density: np.ndarray) -> list[Contour]:
    levels = mass_levels(density, _CONTOUR_MASSES)
    # Lines inside a narrow band would hide the colours of its codes.
    if len(levels) and thickness(density >= levels[0]) < _NARROW:
        levels = levels[:1]
    contours = []
    for level, fill, line in zip(
        levels, _FILLS[-len(levels) :], _LINES[-len(levels) :], strict=False
    ):
        share = float(density[density >= level].sum() / density.sum())
        # The cells of the grid are coarse for a narrow density.
        for mass in _CONTOUR_MASSES:
            if abs(mass - share) < _MASS_TOLERANCE:
                share = mass
        contours.append(Contour(float(level), f"{share:.0%}", fill, line))
    return contours


def _draw_contours(
    axes: Axes, grid: list[np.ndarray], density: np.ndarray, contours: list[Contour]
) -> None:
    if not contours:
        return
    levels = [contour.level for contour in contours]
    # Fills lie behind the points and thin lines above them, so that crowded codes hide neither.
    axes.contourf(
        *grid,
        density.T,
        levels=[*levels, np.inf],
        colors=[contour.fill for contour in contours],
        zorder=1,
    )
    axes.contour(
        *grid,
        density.T,
        levels=levels,
        colors=[contour.line for contour in contours],
        linewidths=0.5 if len(levels) == 1 else 0.8,
        zorder=3,
    )


def _draw_histogram(
    axes: Axes, points: np.ndarray, groups: list[LabelGroup], grid: np.ndarray
) -> None:
    bins = np.linspace(grid[0], grid[-1], _NUM_BINS + 1)
    axes.hist(
        [points[group.rows] for group in groups],
        bins.tolist(),
        # Bars are shares of the density of all codes, comparable with the prior's curve.
        weights=[
            np.full(group.rows.sum(), 1.0 / (len(points) * (bins[1] - bins[0]))) for group in groups
        ],
        color=[group.color for group in groups],
        stacked=True,
    )


def _draw_heads(axes: Axes, centres: np.ndarray) -> None:
    axes.scatter(
        centres[:, 0],
        centres[:, 1],
        s=110,
        color="white",
        edgecolors=LINE_COLOR,
        linewidths=1.0,
        zorder=4,
        clip_on=False,
    )
    for number, centre in enumerate(centres):
        axes.annotate(
            str(number),
            centre,
            ha="center",
            va="center_baseline",
            color=LINE_COLOR,
            fontsize=FONT_SIZE - 2,
            zorder=5,
        )
