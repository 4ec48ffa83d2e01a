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

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NUM_SAMPLES = 100_000
_INCHES = 0.3
_NUM_TICKS = 5


def manifold(
    decode: Callable[[np.ndarray], Any],
    prior: tfp.distributions.Distribution,
    count: int = 21,
    seed: int = 0,
) -> Figure:
    """Draws decoded codes on a grid of quantiles of a two-dimensional prior.

    Coordinate j of the grid runs through the quantiles (i + 1/2) / `count` of the prior's marginal
    j, so that equal areas of the figure hold equal mass of a prior with independent coordinates.
    The quantiles are estimated from 100,000 samples of the prior.

    Args:
        decode: the method `decode` of a model, or another function from codes float32 [n, 2] to
            images [n, height, width, channels].
        prior: distribution with event_shape [2].
        count: codes along each axis.
        seed: integer that fixes the prior's samples.

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

    figure, axes = draw_page(tile_images(images, count), _INCHES * count, left=0.5, bottom=0.5)
    ticks = np.unique(np.linspace(0, count - 1, min(count, _NUM_TICKS)).round().astype(int))
    _, height, width, _ = images.shape
    gap = image_gap(images)
    axes.set_xticks(ticks * (width + gap) + (width - 1) / 2, [_format(x[i]) for i in ticks])
    axes.set_yticks(
        (count - 1 - ticks) * (height + gap) + (height - 1) / 2, [_format(y[i]) for i in ticks]
    )
    axes.set_xlabel("latent 1", fontsize=FONT_SIZE)
    axes.set_ylabel("latent 2", fontsize=FONT_SIZE)
    return figure


def _format(value: float) -> str:
    # Adding zero turns -0.0 into 0.0.
    return f"{round(float(value), 1) + 0.0:g}".replace("-", "\N{MINUS SIGN}")
