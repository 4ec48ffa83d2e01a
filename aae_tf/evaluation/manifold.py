"""What a decoder makes of the plane of codes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow_probability as tfp
from matplotlib.figure import Figure

from aae_tf.checks import check_dimension
from aae_tf.evaluation.canvas import FONT_SIZE
from aae_tf.evaluation.mosaic import check_images, draw_page, gap_for, mosaic
from aae_tf.evaluation.prior_samples import prior_samples

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
    j, so that equal areas of the picture hold equal mass of a prior with independent coordinates.
    The quantiles are those of 100,000 samples, which every prior can give.

    Args:
        decode: from codes float32 [n, 2] to images [n, height, width, channels]; the method
            `decode` of a model.
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
    samples = np.concatenate(list(prior_samples(prior, _NUM_SAMPLES, seed)))
    x, y = np.quantile(samples, levels, axis=0).astype(np.float32).T
    codes = np.stack(np.meshgrid(x, y[::-1]), axis=-1).reshape(-1, 2)
    images = check_images("decode(codes)", decode(codes))

    figure, axes = draw_page(mosaic(images, count), _INCHES * count, left=0.5, bottom=0.5)
    ticks = np.unique(np.linspace(0, count - 1, min(count, _NUM_TICKS)).round().astype(int))
    _, height, width, _ = images.shape
    gap = gap_for(images)
    axes.set_xticks(ticks * (width + gap) + (width - 1) / 2, [_number(x[i]) for i in ticks])
    axes.set_yticks(
        (count - 1 - ticks) * (height + gap) + (height - 1) / 2, [_number(y[i]) for i in ticks]
    )
    axes.set_xlabel("latent 1", fontsize=FONT_SIZE)
    axes.set_ylabel("latent 2", fontsize=FONT_SIZE)
    return figure


def _number(value: float) -> str:
    # Adding zero turns -0.0 into 0.0.
    return f"{round(float(value), 1) + 0.0:g}".replace("-", "\N{MINUS SIGN}")
