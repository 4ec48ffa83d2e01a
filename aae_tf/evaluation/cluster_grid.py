"""What clusters stand for, and what falls in them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from aae_tf import data
from aae_tf.checks import check_dimension
from aae_tf.evaluation.canvas import FONT_SIZE
from aae_tf.evaluation.mosaic import check_images, draw_page, gap_for, mosaic

_INCHES = 0.5


def cluster_grid(
    heads: Any,
    examples: Any,
    clusters: Any,
    columns: int = 12,
    names: Sequence[str] | None = None,
) -> Figure:
    """Draws one cluster in each row: the image of its head, and examples that fall in it.

    Args:
        heads: float [m, height, width] or [m, height, width, 1 or 3], what the decoder makes of
            each cluster alone, with style zero; or any image that stands for it, such as its
            exemplar. Values outside [0, 1] are clipped.
        examples: float [n, ...], images of the same shape.
        clusters: integer [n], the cluster that each falls in, from 0 to m - 1; -1 is not shown.
        columns: examples in a row, the first ones of each cluster. Where fewer fall in it, the
            rest of its row stays white.
        names: of the rows, such as the class that each cluster was given; None numbers them.

    Returns:
        Figure with the names at the left.

    Raises:
        TypeError: if images are no floats, or `clusters` no integers.
        ValueError: if images are no images or differ in shape, `clusters` or `names` do not fit
            them, or `columns` is no positive integer.

    Example:

    >>> images = np.random.default_rng(0).random((50, 8, 8, 1))
    >>> figure = cluster_grid(images[:3], images, np.arange(50) % 3, columns=5)
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
    ['head', 'examples']

    References:
        Makhzani et al. 2016, *Adversarial Autoencoders*, figure 9 (arXiv:1511.05644).
    """
    heads, examples = check_images("heads", heads), check_images("examples", examples)
    if examples.shape[1:] != heads.shape[1:]:
        raise ValueError(
            "Expected `examples` to have the image shape of `heads`. "
            f"Received: examples.shape={examples.shape}, heads.shape={heads.shape}."
        )
    count = len(heads)
    clusters = data.check_labels(clusters, "clusters", count, size=len(examples))
    check_dimension("columns", columns)
    names = [str(k) for k in range(count)] if names is None else list(names)
    if len(names) != count:
        raise ValueError(
            f"Expected `names` to have one entry for each of the {count} clusters. "
            f"Received: names={names!r}."
        )
    tiles = np.ones((count, columns, *heads.shape[1:]), np.float32)
    for cluster in range(count):
        chosen = examples[clusters == cluster][:columns]
        tiles[cluster, : len(chosen)] = chosen
    body = mosaic(tiles.reshape(-1, *heads.shape[1:]), columns)
    # The head stands apart from its examples.
    gap = gap_for(heads)
    space = np.ones((body.shape[0], 4 * gap, body.shape[2]), np.float32)
    page = np.concatenate([mosaic(heads, 1), space, body], axis=1)
    figure, axes = draw_page(page, _INCHES * (columns + 1), left=0.4, bottom=0.3)

    height, width = heads.shape[1:3]
    axes.set_yticks(np.arange(count) * (height + gap) + (height - 1) / 2, names, fontsize=FONT_SIZE)
    left = width + 4 * gap
    axes.xaxis.tick_top()
    axes.set_xticks(
        [(width - 1) / 2, left + (body.shape[1] - 1) / 2], ["head", "examples"], fontsize=FONT_SIZE
    )
    axes.tick_params(length=0)
    return figure
