"""Where the codes lie, against where the prior wants them."""

from typing import Any

import tensorflow_probability as tfp
from matplotlib.figure import Figure

from aae_tf.evaluation.canvas import new_axes
from aae_tf.evaluation.check_entries import check_entries
from aae_tf.evaluation.label_groups import label_groups
from aae_tf.evaluation.latent_key import add_latent_key
from aae_tf.evaluation.latent_view import LatentView


def latent_scatter(
    codes: Any,
    labels: Any | None = None,
    prior: tfp.distributions.Distribution | None = None,
    seed: int = 0,
    heads: Any | None = None,
) -> Figure:
    """Draws codes coloured by label over contours of the prior.

    The contours enclose 50%, 80% and 95% of the prior's mass, where its density is highest; of a
    prior that is a narrow band on the page, such as a long swiss roll, only the last is a line.
    With two dimensions the axes are the code's. With more they are the first two principal
    components of the codes, and the contours are those of the prior's samples projected onto the
    same plane. With one, the codes are a histogram under the prior's density.

    Args:
        codes: float [n, code_dim], at least one.
        labels: integer [n], -1 where unknown; None draws one colour. More than ten classes get a
            colour bar instead of a legend.
        prior: distribution with event_shape [code_dim], with or without a density; None draws no
            contours.
        seed: integer that fixes the prior's samples, and the order in which points are drawn: no
            class hides the others.
        heads: float [m, code_dim], cluster heads: head k is a circle that holds the number k.

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
    ['0', '1', '2', '3', 'prior', 'head']
    """
    codes = check_entries("codes", codes, (None,))
    groups = label_groups(labels, len(codes))
    if heads is not None:
        heads = check_entries("heads", heads, codes.shape[1:])
    view = LatentView(codes, prior, heads, seed)
    figure, axes = new_axes(5.2, 4.4)
    view.draw(axes, codes, groups, heads)
    add_latent_key(figure, [axes], groups, prior is not None, heads is not None)
    return figure
