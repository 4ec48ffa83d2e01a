"""The figure of decoded codes on a grid over a two-dimensional prior."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow_probability as tfp

from aae_tf import priors
from aae_tf.checks import check_dimension
from aae_tf.evaluation.arguments import check_images
from aae_tf.evaluation.canvas import FONT_SIZE, draw_page, image_gap, tile_images
from aae_tf.evaluation.prior_density import PriorDensity, mass_levels, project, square_limits

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NUM_SAMPLES = 100_000
_INCHES = 0.3
_NUM_TICKS = 5
_GRID_SIZE = 200
_SHOWN_MASS, _TAIL = 0.99, 2e-4
_GREY = 0.85


def manifold(
    decode: Callable[[np.ndarray], Any],
    prior: tfp.distributions.Distribution,
    count: int = 21,
    seed: int = 0,
    title: str | None = None,
) -> Figure:
    """Draws decoded codes on a grid of quantiles of a two-dimensional prior.

    Coordinate j of the grid runs through the quantiles (i + 1/2) / `count` of the prior's marginal
    j, so that equal areas of the figure hold equal mass of a prior with independent coordinates.
    The quantiles are estimated from 100,000 samples of the prior. So neighbouring images are not
    equally far apart in the code: the ticks say where each column and row lies, and the quantile
    that it is. Images of codes at which the prior has next to no mass are greyed: those outside the
    region of highest density that holds 99% of it. The decoder has learnt nothing there.

    Args:
        decode: the method `decode` of a model, or another function from codes float32 [n, 2] to
            images [n, height, width, channels].
        prior: distribution with event_shape [2].
        count: codes along each axis.
        seed: integer that fixes the prior's samples.
        title: text above the images.

    Returns:
        Figure whose axes name the codes, the second upwards.

    Raises:
        ValueError: if the prior is not two-dimensional, `count` is no positive integer, or
            `decode` gives no images.

    Example:

    >>> from aae_tf import priors
    >>> def decode(codes):
    ...     return np.zeros((len(codes), 8, 8, 1), "float32")
    >>> figure = manifold(decode, priors.gaussian(2), count=4)
    >>> figure.axes[0].images[0].get_array().shape
    (35, 35)
    """
    if tuple(prior.event_shape) != (2,):
        raise ValueError(
            "Expected `prior` to be a distribution with event_shape [2]. "
            f"Received: prior with event_shape={tuple(prior.event_shape)}."
        )
    check_dimension("count", count)
    levels = (np.arange(count) + 0.5) / count
    samples = np.asarray(priors.sample(prior, _NUM_SAMPLES, seed=[0, seed]))
    x, y = np.quantile(samples, levels, axis=0).astype(np.float32).T
    codes = np.stack(np.meshgrid(x, y[::-1]), axis=-1).reshape(-1, 2)
    images = check_images("decode(codes)", decode(codes))
    outside = ~_has_mass(prior, codes, samples, seed)
    images = np.where(outside[:, np.newaxis, np.newaxis, np.newaxis], _grey(images), images)

    page = tile_images(images, count)
    figure, axes = draw_page(page, _INCHES * count, left=0.8, bottom=0.6, title=title)
    ticks = np.unique(np.linspace(0, count - 1, min(count, _NUM_TICKS)).round().astype(int))
    _, height, width, _ = images.shape
    gap = image_gap(images)
    axes.set_xticks(
        ticks * (width + gap) + (width - 1) / 2,
        [f"{_format(x[i])}\n{levels[i]:.0%}" for i in ticks],
    )
    axes.set_yticks(
        (count - 1 - ticks) * (height + gap) + (height - 1) / 2,
        [f"{_format(y[i])}\n{levels[i]:.0%}" for i in ticks],
    )
    axes.set_xlabel("latent 1, and its quantile under the prior", fontsize=FONT_SIZE)
    axes.set_ylabel("latent 2, and its quantile", fontsize=FONT_SIZE)
    return figure


def _has_mass(
    prior: tfp.distributions.Distribution, codes: np.ndarray, samples: np.ndarray, seed: int
) -> np.ndarray:
    """Tells which codes lie where 99% of the prior's mass is."""
    corners = np.concatenate([codes, np.quantile(samples, [_TAIL, 1.0 - _TAIL], axis=0)])
    axes = [np.linspace(low, high, _GRID_SIZE) for low, high in square_limits(corners)]
    density = PriorDensity(prior, project(codes), seed).on_grid(axes)
    levels = mass_levels(density, [_SHOWN_MASS])
    if not len(levels):
        return np.ones(len(codes), bool)
    cells = [
        np.clip(
            np.rint((codes[:, i] - axis[0]) / (axis[1] - axis[0])).astype(int), 0, len(axis) - 1
        )
        for i, axis in enumerate(axes)
    ]
    return density[cells[0], cells[1]] >= levels[0]


def _grey(images: np.ndarray) -> np.ndarray:
    """Moves values nine tenths of the way to a light grey."""
    return 0.1 * np.clip(images, 0.0, 1.0) + 0.9 * _GREY


def _format(value: float) -> str:
    # Adding zero turns -0.0 into 0.0.
    return f"{round(float(value), 1) + 0.0:g}".replace("-", "\N{MINUS SIGN}")
