"""Several spaces of codes over one prior."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow_probability as tfp
from matplotlib.figure import Figure

from aae_tf.evaluation.canvas import FONT_SIZE, new_panels
from aae_tf.evaluation.check_entries import check_entries
from aae_tf.evaluation.label_groups import label_groups
from aae_tf.evaluation.latent_key import add_latent_key
from aae_tf.evaluation.latent_view import LatentView

_COLUMNS = 3
_INCHES = 3.6


def latent_panels(
    codes: Mapping[str, Any],
    labels: Any | None = None,
    prior: tfp.distributions.Distribution | None = None,
    seed: int = 0,
) -> Figure:
    """Draws the codes of several models side by side, as `latent_scatter` does, on the same axes.

    What differs between panels is then the models: the same limits, contours, colours, and with
    more than two dimensions the same plane, that of the principal components of all codes.

    Args:
        codes: by title, float [n, code_dim], what each model makes of the same inputs.
        labels: integer [n], of these inputs, -1 where unknown; None draws one colour.
        prior: distribution with event_shape [code_dim]; None draws no contours.
        seed: integer that fixes the prior's samples and the order in which points are drawn.

    Returns:
        Figure with up to three panels abreast.

    Raises:
        TypeError: if `codes` is no mapping to arrays of floats, or `labels` no array of integers.
        ValueError: if there is no code, or the shapes do not fit.

    Example:

    >>> from aae_tf import priors
    >>> prior = priors.gaussian(2)
    >>> codes = prior.sample(50, seed=[0, 1]).numpy()
    >>> figure = latent_panels({"AAE": codes, "VAE": 0.5 * codes}, np.arange(50) % 3, prior)
    >>> [axes.get_title() for axes in figure.axes]
    ['AAE', 'VAE']

    References:
        Makhzani et al. 2016, *Adversarial Autoencoders*, figure 2 (arXiv:1511.05644).
    """
    if not isinstance(codes, Mapping):
        raise TypeError(
            "Expected `codes` to be a mapping from titles to arrays. "
            f"Received: codes of type {type(codes).__name__}."
        )
    if not codes:
        raise ValueError("Expected `codes` to have at least one entry. Received: codes={}.")
    panels = {name: check_entries(f"codes[{name!r}]", x, (None,)) for name, x in codes.items()}
    shapes = {name: x.shape for name, x in panels.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"Expected `codes` to be of one shape. Received: {shapes}.")
    shape = next(iter(shapes.values()))
    groups = label_groups(labels, shape[0])
    view = LatentView(np.concatenate(list(panels.values())), prior, None, seed)

    columns = min(len(panels), _COLUMNS)
    rows = -(-len(panels) // columns)
    figure, grid = new_panels(_INCHES * columns + 0.8, _INCHES * rows, rows, columns)
    shown = list(grid.flat[: len(panels)])
    for axes, (name, panel) in zip(shown, panels.items(), strict=True):
        view.draw(axes, panel, groups)
        axes.set_title(name, fontsize=FONT_SIZE + 1)
        axes.label_outer()
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    # The end of the first row is the right edge of the page; the last row may be shorter.
    shown.sort(key=lambda axes: axes is not grid[0, -1])
    add_latent_key(figure, shown, groups, prior is not None)
    return figure
