"""Where the codes lie, against where the prior wants them."""

from typing import Any

import numpy as np
import tensorflow_probability as tfp
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from aae_tf.evaluation.canvas import FONT_SIZE, new_axes
from aae_tf.evaluation.check_entries import check_entries
from aae_tf.evaluation.label_groups import MANY_CLASSES, PALETTE, LabelGroup, label_groups
from aae_tf.evaluation.prior_density import PriorDensity, mass_levels
from aae_tf.evaluation.projection import project

_MASSES = (0.5, 0.8, 0.95)
_GRID = 200
_BINS = 50
_MARGIN = 1.04
_INK = "0.2"


def latent_scatter(
    codes: Any,
    labels: Any | None = None,
    prior: tfp.distributions.Distribution | None = None,
    seed: int = 0,
) -> Figure:
    """Draws codes coloured by label over contours of the prior.

    The contours enclose 50%, 80% and 95% of the prior's mass, where its density is highest. With
    two dimensions the axes are the code's. With more they are the first two principal components
    of the codes, and the contours are those of the prior's samples projected onto the same plane.
    With one, the codes are a histogram under the prior's density.

    Args:
        codes: float [n, code_dim], at least one.
        labels: integer [n], -1 where unknown; None draws one colour. More than ten classes get a
            colour bar instead of a legend.
        prior: distribution with event_shape [code_dim], with or without a density; None draws no
            contours.
        seed: integer that fixes the prior's samples, and the order in which points are drawn: no
            class hides the others.

    Returns:
        Figure; its first axes show the codes.

    Raises:
        TypeError: if `codes` is no array of floats, or `labels` none of integers.
        ValueError: if there is no code, or the shapes do not fit.

    Example:

    >>> from aae_tf import priors
    >>> prior = priors.ring_mixture(4)
    >>> figure = latent_scatter(prior.sample(100, seed=[0, 1]), np.arange(100) % 4, prior)
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['0', '1', '2', '3', 'prior']
    """
    codes = check_entries("codes", codes, (None,))
    groups = label_groups(labels, len(codes))
    if prior is not None and tuple(prior.event_shape) != codes.shape[1:]:
        raise ValueError(
            "Expected `prior` to have the width of `codes`. Received: codes.shape="
            f"{codes.shape}, prior with event_shape={tuple(prior.event_shape)}."
        )
    projection = project(codes)
    points = projection.apply(codes)
    density = None if prior is None else PriorDensity(prior, projection, seed)
    corners = [points] if density is None else [points, density.extent()]
    limits = _square_limits(np.concatenate(corners))
    grid = [np.linspace(low, high, _GRID) for low, high in limits]

    figure, axes = new_axes(5.2, 4.4)
    if len(grid) == 1:
        _draw_histogram(axes, points[:, 0], groups, grid[0])
        if density is not None:
            axes.plot(grid[0], density.on_grid(grid), color=_INK, linewidth=1.2)
        axes.set_xlim(grid[0][0], grid[0][-1])
        axes.set_ylabel("density", fontsize=FONT_SIZE)
    else:
        _draw_points(axes, points, groups, seed)
        if density is not None:
            _draw_contours(axes, grid, density.on_grid(grid))
        axes.set(
            xlim=(grid[0][0], grid[0][-1]), ylim=(grid[1][0], grid[1][-1]), aspect="equal"
        )  # fmt: skip
        axes.set_ylabel(projection.names[1], fontsize=FONT_SIZE)
    axes.set_xlabel(projection.names[0], fontsize=FONT_SIZE)
    _add_key(figure, axes, groups, has_prior=prior is not None)
    return figure


def _square_limits(points: np.ndarray) -> np.ndarray:
    low, high = points.min(axis=0), points.max(axis=0)
    # Codes that have collapsed to one point still get a box.
    radius = _MARGIN * max((high - low).max() / 2.0, 1e-3)
    centre = (low + high) / 2.0
    return np.stack([centre - radius, centre + radius], axis=1)


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
    axes.contour(*grid, density.T, levels=levels, colors=_INK, linewidths=0.7, zorder=3)


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


def _add_key(figure: Figure, axes: Axes, groups: list[LabelGroup], has_prior: bool) -> None:
    shown = [group for group in groups if group.name]
    handles: list[Artist] = []
    if len(shown) > len(PALETTE) + 1:
        classes = [int(group.name) for group in shown if group.name != "unknown"]
        scale = ScalarMappable(Normalize(classes[0], classes[-1]), MANY_CLASSES)
        figure.colorbar(scale, ax=axes, shrink=0.8).set_label("class", fontsize=FONT_SIZE)
    else:
        handles += [Patch(color=group.color, label=group.name) for group in shown]
    if has_prior:
        handles.append(Line2D([], [], color=_INK, linewidth=1.0, label="prior"))
    if handles:
        # Beside the axes and not the figure: the layout then keeps room for the axis labels.
        axes.legend(
            handles=handles,
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            frameon=False,
            fontsize=FONT_SIZE,
            handlelength=1.0,
        )
