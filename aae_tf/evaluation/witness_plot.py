"""The figure of the witness function: the signed difference between codes and their prior."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow_probability as tfp
from scipy import ndimage

from aae_tf import mmd
from aae_tf.evaluation.arguments import check_entries
from aae_tf.evaluation.canvas import FONT_SIZE, LINE_COLOR, new_axes, set_title
from aae_tf.evaluation.prior_density import PriorDensity, project, square_limits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NUM_CODES = 2000
_GRID_SIZE = 160
_NUM_LEVELS = 21
# Points of the grid evaluated at a time: each is compared with every code.
_CHUNK_SIZE = 4000
# The zero contour is drawn where, within `_NEIGHBOURHOOD` cells, the witness reaches this share of
# its largest value.
_VISIBLE_SHARE, _NEIGHBOURHOOD = 0.05, 9


def witness_plot(
    codes: Any,
    prior: tfp.distributions.Distribution,
    kernel: tfp.math.psd_kernels.PositiveSemidefiniteKernel | None = None,
    seed: int = 0,
    title: str | None = None,
) -> Figure:
    """Draws where two-dimensional codes have more mass than their prior, and where less.

    The colour is `mmd.witness`: red where there are more codes than under the prior, blue where
    there are fewer, smoothed by the kernel; its largest absolute value has the strongest colour. A
    thin line is its zero, drawn where the difference on its sides is visible, and the codes are
    dots on top. Samples of the prior itself give colours too: `mmd.goodness_of_fit` tests whether
    the difference is more than chance.

    Args:
        codes: float [n, 2], at least one; of more than 2,000, 2,000 chosen at random.
        prior: distribution with event_shape [2] whose mean embedding `aae_tf.mmd` has in closed
            form.
        kernel: kernel of `tfp.math.psd_kernels` on codes. None takes `mmd.default_kernel` of the
            prior, a sum of wide and narrow ones; a single wide one draws a smoother figure.
        seed: integer that fixes the choice of codes, and the prior's samples that fix the limits.
        title: text above the axes.

    Returns:
        Figure; its first axes show the plane, its second the colour bar.

    Raises:
        TypeError: if `codes` are no array of floats, or `kernel` is no kernel.
        ValueError: if there is no code, `codes` are not finite or not two-dimensional, or `prior`
            is not.
        NotImplementedError: if there is no closed form for prior and kernel.

    Example:

    >>> from aae_tf import priors
    >>> codes = priors.gaussian(2).sample(100, seed=[0, 1]) + 1.0
    >>> witness_plot(codes, priors.gaussian(2)).axes[1].get_ylabel()
    'witness: codes minus prior'

    References:
        Gretton et al. 2012, section 2.3 and figure 1.
    """
    codes = check_entries("codes", codes, (2,))
    if tuple(prior.event_shape) != (2,):
        raise ValueError(
            "Expected `prior` to be a distribution with event_shape [2]. "
            f"Received: prior with event_shape={tuple(prior.event_shape)}."
        )
    codes = codes[np.random.default_rng(seed).permutation(len(codes))[:_NUM_CODES]]
    kernel = mmd.default_kernel(prior) if kernel is None else kernel
    projection = project(codes)
    corners = np.concatenate([codes, PriorDensity(prior, projection, seed).extent()])
    x, y = (np.linspace(low, high, _GRID_SIZE) for low, high in square_limits(corners))
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float32)
    values = np.concatenate(
        [
            mmd.witness(points[start : start + _CHUNK_SIZE], codes, prior, kernel).numpy()
            for start in range(0, len(points), _CHUNK_SIZE)
        ]
    ).reshape(_GRID_SIZE, _GRID_SIZE)

    figure, axes = new_axes(5.2, 4.4)
    _draw_values(figure, axes, (x, y), values)
    axes.scatter(
        codes[:, 0],
        codes[:, 1],
        s=np.clip(4000.0 / len(codes), 1.0, 8.0),
        color=LINE_COLOR,
        linewidths=0,
        alpha=0.6,
        rasterized=True,
        zorder=3,
    )
    axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), aspect="equal")
    axes.set_xlabel(projection.names[0], fontsize=FONT_SIZE)
    axes.set_ylabel(projection.names[1], fontsize=FONT_SIZE)
    set_title(axes, title)
    return figure


def _draw_values(
    figure: Figure, axes: Axes, grid: tuple[np.ndarray, np.ndarray], values: np.ndarray
) -> None:
    from matplotlib.ticker import MaxNLocator

    strength = np.abs(values)
    peak = max(float(strength.max()), float(np.finfo(np.float32).tiny))
    # The number of bands is even, so that zero is a border between two.
    levels = np.linspace(-peak, peak, _NUM_LEVELS)
    bands = axes.contourf(*grid, values, levels=levels, cmap="RdBu_r", zorder=1)
    is_visible = ndimage.maximum_filter(strength, _NEIGHBOURHOOD) > _VISIBLE_SHARE * peak
    shown = np.where(is_visible, values, np.nan)
    # Matplotlib warns of a contour that no point of the grid crosses.
    if np.nanmin(shown) < 0.0 < np.nanmax(shown):
        axes.contour(*grid, shown, levels=[0.0], colors=LINE_COLOR, linewidths=0.7, zorder=2)
    # By default the ticks are the borders of the bands, which are no round numbers.
    bar = figure.colorbar(bands, ax=axes, shrink=0.8, ticks=MaxNLocator(6, symmetric=True))
    bar.set_label("witness: codes minus prior", fontsize=FONT_SIZE)
    bar.ax.tick_params(labelsize=FONT_SIZE - 1)
