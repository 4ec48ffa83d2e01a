"""Figures of codes, coloured by label, over the contours of their prior."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow_probability as tfp

from aae_tf.data.conversions import collect_pairs
from aae_tf.evaluation.arguments import check_entries
from aae_tf.evaluation.canvas import FONT_SIZE, new_axes, new_panels, set_title
from aae_tf.evaluation.class_colors import label_groups
from aae_tf.evaluation.latent_legend import add_legend
from aae_tf.evaluation.latent_view import LatentView
from aae_tf.models import BaseAAE, EmbeddingAAE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 3
_INCHES = 3.6


def latent_scatter(
    codes: Any,
    labels: Any | None = None,
    prior: tfp.distributions.Distribution | None = None,
    seed: int = 0,
    heads: Any | None = None,
    class_names: Sequence[str] | None = None,
    title: str | None = None,
) -> Figure:
    """Draws codes coloured by label over contours of the prior.

    The contours enclose the regions of highest density that hold 50%, 80% and 95% of the prior's
    mass; of a prior that is a narrow band on the page, such as a long swiss roll, only the last
    is drawn. The axes of two-dimensional codes are their coordinates. Those of wider
    codes are their first two principal components, and the contours are those of the prior's
    samples projected onto the same plane. One-dimensional codes are drawn as a histogram under
    the prior's density.

    Args:
        codes: float [n, code_dim], at least one.
        labels: integer [n], -1 where unknown; None draws one colour. More than ten classes get a
            colour bar instead of a legend.
        prior: distribution with event_shape [code_dim], with or without a density; None draws no
            contours.
        seed: integer that fixes the prior's samples, and the order in which points are drawn: it
            is random, so that no class hides the others.
        heads: float [m, code_dim], cluster heads: head k is a circle that holds the number k.
        class_names: name of each class, for the legend; None shows the numbers.
        title: text above the axes.

    Returns:
        Figure; its first axes show the codes.

    Raises:
        TypeError: if `codes` or `heads` are no array of floats, or `labels` none of integers.
        ValueError: if there is no code, or the shapes do not fit.

    Example:

    >>> import numpy as np
    >>> from aae_tf import priors
    >>> prior = priors.ring_mixture(4)
    >>> codes, heads = prior.sample(100, seed=[0, 1]), prior.components_distribution.mean()
    >>> figure = latent_scatter(codes, np.arange(100) % 4, prior, heads=heads)
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['class', '0', '1', '2', '3', "prior's mass within", '50%', '80%', '95%', 'cluster head']
    """
    codes = check_entries("codes", codes, (None,))
    groups = label_groups(labels, len(codes), class_names)
    if heads is not None:
        heads = check_entries("heads", heads, codes.shape[1:])
    view = LatentView(codes, prior, heads, seed)
    figure, axes = new_axes(5.8, 4.5)
    view.draw(axes, codes, groups, heads)
    add_legend(figure, [axes], groups, view, heads is not None, view.num_outside(codes))
    set_title(axes, title)
    return figure


def model_latents(
    model: BaseAAE,
    x: Any,
    labels: Any | None = None,
    class_names: Sequence[str] | None = None,
    title: str | None = None,
) -> Figure:
    """Draws the latents of inputs, see `latent_scatter`, over the contours of their prior.

    The embedding of an `EmbeddingAAE`, the sum of a head and a style, has no prior of its own: its
    cluster heads are drawn instead.

    Args:
        model: model with an encoder.
        x: float [n, ...], inputs in any form that `fit` takes; a pipeline may yield labels, too.
        labels: integer [n], -1 where unknown; None draws one colour.
        class_names: name of each class, for the legend; None takes those of the model.
        title: text above the axes; None says the model's class and how many codes there are.

    Returns:
        Figure; its first axes show the latents.

    Raises:
        TypeError, ValueError: as `model.encode` and `latent_scatter`.

    Example:

    >>> import numpy as np
    >>> from aae_tf import AAE, networks, priors
    >>> model = AAE(networks.mlp_encoder((4,), units=(8,)), networks.mlp_decoder((4,), 2, (8,)),
    ...             prior=priors.gaussian(2), seed=0)
    >>> model_latents(model, np.zeros((3, 4), "float32")).axes[0].get_xlabel()
    'latent 1'
    """
    x, labels = collect_pairs(x, labels)
    codes = model.encode(x)
    names: dict[str, Any] = {
        "class_names": model.class_names if class_names is None else class_names,
        "title": f"{type(model).__name__}, {len(codes):,} codes" if title is None else title,
    }
    if isinstance(model, EmbeddingAAE):
        return latent_scatter(codes, labels, heads=model.cluster_heads, **names)
    return latent_scatter(codes, labels, model.latent_prior, **names)


def latent_panels(
    codes: Mapping[str, Any],
    labels: Any | None = None,
    prior: tfp.distributions.Distribution | None = None,
    seed: int = 0,
    class_names: Sequence[str] | None = None,
) -> Figure:
    """Draws the codes of several models side by side, as `latent_scatter` does, on the same axes.

    All panels have the same limits, contours and colours, and with more than two dimensions the
    same plane, that of the first two principal components of all codes together.

    Args:
        codes: by title, float [n, code_dim], the codes of the same inputs under each model.
        labels: integer [n], of these inputs, -1 where unknown; None draws one colour.
        prior: distribution with event_shape [code_dim]; None draws no contours.
        seed: integer that fixes the prior's samples and the order in which points are drawn.
        class_names: name of each class, for the legend; None shows the numbers.

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
    groups = label_groups(labels, shape[0], class_names)
    view = LatentView(np.concatenate(list(panels.values())), prior, None, seed)

    columns = min(len(panels), _COLUMNS)
    rows = -(-len(panels) // columns)
    figure, grid = new_panels(_INCHES * columns + 0.8, _INCHES * rows, rows, columns)
    shown = list(grid.flat[: len(panels)])
    for axes, (name, panel) in zip(shown, panels.items(), strict=True):
        view.draw(axes, panel, groups)
        axes.set_title(name, fontsize=FONT_SIZE + 1, parse_math=False)
        axes.label_outer()
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    # The legend stands at the right of the first row, as the last row may be shorter.
    shown.sort(key=lambda axes: axes is not grid[0, -1])
    num_outside = sum(view.num_outside(panel) for panel in panels.values())
    add_legend(figure, shown, groups, view, num_outside=num_outside)
    return figure
