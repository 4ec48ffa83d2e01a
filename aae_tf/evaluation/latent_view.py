"""Codes drawn on axes: points coloured by label, the contours of their prior, the legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import tensorflow_probability as tfp

from aae_tf import data
from aae_tf.checks import import_extra
from aae_tf.evaluation.canvas import FONT_SIZE, LINE_COLOR
from aae_tf.evaluation.prior_density import (
    PriorDensity,
    mass_levels,
    project,
    square_limits,
    thickness,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Petroff 2021, "Accessible color sequences for data visualization" (arXiv:2107.02270): ten
# colours that stay apart under the common colour-vision deficiencies.
_PALETTE = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
_COLORMAP = "viridis"
_UNKNOWN_COLOR = "#d8d8d8"

_CONTOUR_MASSES = (0.5, 0.8, 0.95)
_GRID_SIZE = 200
_NUM_BINS = 50
# A band is narrow if it is nowhere farther than this from its edge, in cells of the grid.
_NARROW = 6


class LabelGroup(NamedTuple):
    """The points of one class.

    Attributes:
        name: of the class in the legend.
        color: "#rrggbb".
        rows: bool [n], which points are of the class.
    """

    name: str
    color: str
    rows: np.ndarray


def label_groups(labels: Any | None, count: int) -> list[LabelGroup]:
    """Splits points by label, the unknown ones first.

    Up to ten classes take their colours from a palette: by label where all are below ten, so that
    a class has the same colour in every figure, else by rank. More than ten take theirs from a
    continuous colour map.

    Args:
        labels: integer [count], -1 where unknown; None makes one group without a name.
        count: number of points.

    Returns:
        Groups that are not empty, in the order of the labels.

    Raises:
        TypeError: if `labels` is no array of integers.
        ValueError: if there is not one label per point, or one is below -1.
    """
    if labels is None:
        return [LabelGroup("", _PALETTE[0], np.ones(count, bool))]
    labels = data.check_labels(labels, "labels", size=count)
    groups = [LabelGroup("unknown", _UNKNOWN_COLOR, labels < 0)] if (labels < 0).any() else []
    classes = np.unique(labels[labels >= 0])
    for rank, label in enumerate(classes):
        if len(classes) > len(_PALETTE):
            matplotlib = import_extra("matplotlib", "figures")
            share = rank / (len(classes) - 1)
            color = matplotlib.colors.to_hex(matplotlib.colormaps[_COLORMAP](share))
        else:
            color = _PALETTE[label if classes[-1] < len(_PALETTE) else rank]
        groups.append(LabelGroup(str(label), color, labels == label))
    return groups


class LatentView:
    """Draws codes and the contours of their prior, on one or several axes of the same limits.

    Two dimensions are shown as they are; of more, the first two principal components of all codes
    of the figure; one is a histogram. The density of the prior is computed once for all axes.

    Args:
        codes: float32 [n, code_dim], all codes that fix the plane and the limits.
        prior: distribution with event_shape [code_dim], or None.
        heads: float32 [m, code_dim], cluster heads that the limits must include, or None.
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
        self._grid = [np.linspace(low, high, _GRID_SIZE) for low, high in limits]
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
            axes: to draw on.
            codes: float32 [n, code_dim].
            groups: the codes of each colour.
            heads: float32 [m, code_dim], shown with their numbers.
        """
        grid, density = self._grid, self._density
        points = self._projection.apply(codes)
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
            _draw_contours(axes, grid, density)
        if centres is not None:
            _draw_heads(axes, centres)
        axes.set(ylim=(grid[1][0], grid[1][-1]), aspect="equal")
        axes.set_ylabel(self._projection.names[1], fontsize=FONT_SIZE)


def add_legend(
    figure: Figure,
    axes: Sequence[Axes],
    groups: Sequence[LabelGroup],
    has_prior: bool,
    has_heads: bool = False,
) -> None:
    """Adds the legend of a figure of codes; more than ten classes get a colour bar instead.

    Args:
        figure: of the axes.
        axes: that the legend explains; it stands at the right of the first.
        groups: of the codes.
        has_prior: whether the figure shows contours of a prior.
        has_heads: whether it shows cluster heads.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    named = [group for group in groups if group.name]
    handles: list[Artist] = []
    if len(named) > len(_PALETTE) + 1:
        classes = [int(group.name) for group in named if group.name != "unknown"]
        scale = ScalarMappable(Normalize(classes[0], classes[-1]), _COLORMAP)
        figure.colorbar(scale, ax=list(axes), shrink=0.8).set_label("class", fontsize=FONT_SIZE)
    else:
        handles += [Patch(color=group.color, label=group.name) for group in named]
    if has_prior:
        handles.append(Line2D([], [], color=LINE_COLOR, linewidth=1.0, label="prior"))
    if has_heads:
        handles.append(
            Line2D(
                [],
                [],
                linestyle="none",
                marker="o",
                markerfacecolor="white",
                markeredgecolor=LINE_COLOR,
                label="head",
            )
        )
    if handles:
        # A legend of the figure would take the space of the axis labels; one of the axes does not.
        axes[0].legend(
            handles=handles,
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            frameon=False,
            fontsize=FONT_SIZE,
            handlelength=1.0,
        )


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
    )


def _draw_contours(axes: Axes, grid: list[np.ndarray], density: np.ndarray) -> None:
    levels = mass_levels(density, _CONTOUR_MASSES)
    if not len(levels):
        return
    # Fills lie behind the points and thin lines above them, so that crowded codes hide neither.
    axes.contourf(
        *grid,
        density.T,
        levels=[*levels, np.inf],
        colors=["0.975", "0.945", "0.91"][-len(levels) :],
        zorder=1,
    )
    # Lines inside a narrow band would hide the colours of its codes.
    is_narrow = thickness(density >= levels[0]) < _NARROW
    axes.contour(
        *grid,
        density.T,
        levels=levels[:1] if is_narrow else levels,
        colors=LINE_COLOR,
        linewidths=0.5 if is_narrow else 0.7,
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
