"""Figures of images on a grid: samples, reconstructions, styles by class, clusters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from aae_tf import data
from aae_tf.checks import check_dimension
from aae_tf.evaluation.arguments import check_images
from aae_tf.evaluation.canvas import FONT_SIZE, draw_page, image_gap, shorten, tile_images

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INCHES = 0.5
_PAIR_INCHES = 0.55
_PAIR_COLUMNS = 12
# Characters of a name above a column of one image.
_LONGEST_ABREAST = 6


def sample_grid(samples: Any, columns: int | None = None, title: str | None = None) -> Figure:
    """Draws samples row by row.

    Args:
        samples: float [n, height, width], [n, height, width, 1] or [n, height, width, 3]; values
            outside [0, 1] are clipped.
        columns: images in a row; None makes the grid as square as it can be.
        title: text above the images.

    Returns:
        Figure with all samples.

    Raises:
        TypeError: if `samples` is no array of floats.
        ValueError: if `samples` are no images, or `columns` is no positive integer.

    Example:

    >>> import numpy as np
    >>> figure = sample_grid(np.random.default_rng(0).random((16, 8, 8, 3)))
    >>> figure.axes[0].images[0].get_array().shape
    (35, 35, 3)
    """
    samples = check_images("samples", samples)
    columns = math.ceil(math.sqrt(len(samples))) if columns is None else columns
    columns = min(check_dimension("columns", columns), len(samples))
    page = tile_images(samples, columns)
    figure, _ = draw_page(page, _INCHES * columns, left=0.1, bottom=0.1, title=title)
    return figure


def reconstructions(inputs: Any, outputs: Any, title: str | None = None) -> Figure:
    """Draws pairs of rows: inputs, and below each its reconstruction.

    Args:
        inputs: float [n, height, width], [n, height, width, 1] or [n, height, width, 3], values
            in [0, 1].
        outputs: their reconstructions, same shape; values outside [0, 1] are clipped.
        title: text above the images.

    Returns:
        Figure with up to twelve pairs abreast.

    Raises:
        TypeError: if an argument is no array of floats.
        ValueError: if the arguments are no images, or differ in shape.

    Example:

    >>> images = np.random.default_rng(0).random((24, 8, 8, 1))
    >>> figure = reconstructions(images, images)
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['input', 'output', 'input', 'output']
    """
    inputs, outputs = check_images("inputs", inputs), check_images("outputs", outputs)
    if inputs.shape != outputs.shape:
        raise ValueError(
            "Expected `outputs` to have the shape of `inputs`. "
            f"Received: inputs.shape={inputs.shape}, outputs.shape={outputs.shape}."
        )
    columns = min(len(inputs), _PAIR_COLUMNS)
    pairs = [
        tile_images(
            np.concatenate([_row(inputs, start, columns), _row(outputs, start, columns)]), columns
        )
        for start in range(0, len(inputs), columns)
    ]
    # The space between pairs is wider than the one between the two rows of a pair.
    space = np.ones((3 * image_gap(inputs), *pairs[0].shape[1:]), np.float32)
    page = np.concatenate([part for pair in pairs for part in (pair, space)][:-1])
    figure, axes = draw_page(page, _PAIR_INCHES * columns, left=0.6, bottom=0.1, title=title)

    height = inputs.shape[1]
    tops = np.arange(len(pairs)) * (pairs[0].shape[0] + space.shape[0])
    rows = np.array([0, height + image_gap(inputs)])
    centres = (tops[:, np.newaxis] + rows + (height - 1) / 2).ravel()
    axes.set_yticks(centres, ["input", "output"] * len(pairs), fontsize=FONT_SIZE)
    return figure


def style_grid(
    images: Any, titles: Sequence[str] | None = None, title: str | None = None
) -> Figure:
    """Draws one style in each row and one class in each column.

    A model that tells style from class shows the same slant and stroke along a row, and the same
    digit down a column.

    Args:
        images: float [styles, classes, height, width] or [styles, classes, height, width, 1 or
            3], each style decoded with each class. Values outside [0, 1] are clipped.
        titles: one for each class; None numbers them from 0.
        title: text above the images.

    Returns:
        Figure with the titles above the columns.

    Raises:
        TypeError: if `images` is no array of floats.
        ValueError: if `images` are no grid of images, or `titles` are not as many as classes.

    Example:

    >>> images = np.random.default_rng(0).random((4, 10, 8, 8, 1))
    >>> figure = style_grid(images)
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()][:3]
    ['0', '1', '2']

    References:
        Makhzani et al. 2016, *Adversarial Autoencoders*, figure 6 (arXiv:1511.05644).
    """
    images = data.check_array(images, "images")
    if images.ndim not in (4, 5):
        raise ValueError(
            "Expected `images` to be [styles, classes, height, width] or [styles, classes, "
            f"height, width, channels]. Received: images.shape={images.shape}."
        )
    num_classes = images.shape[1]
    tiles = check_images("images[style]", images.reshape(-1, *images.shape[2:]))
    titles = [str(k) for k in range(num_classes)] if titles is None else list(titles)
    if len(titles) != num_classes:
        raise ValueError(
            f"Expected `titles` to have one entry for each of the {num_classes} classes. "
            f"Received: titles={titles!r}."
        )
    page = tile_images(tiles, num_classes)
    figure, axes = draw_page(page, _INCHES * num_classes, 0.1, 0.3, title)
    width = tiles.shape[2]
    centres = np.arange(num_classes) * (width + image_gap(tiles)) + (width - 1) / 2
    axes.xaxis.tick_top()
    # Long names stand upright, where they do not run into each other.
    is_long = max(len(shorten(name)) for name in titles) > _LONGEST_ABREAST
    axes.set_xticks(
        centres,
        [shorten(name) for name in titles],
        fontsize=FONT_SIZE,
        rotation=90 if is_long else 0,
        parse_math=False,
    )
    axes.tick_params(length=0)
    return figure


def cluster_grid(
    heads: Any,
    examples: Any,
    clusters: Any,
    columns: int = 12,
    names: Sequence[str] | None = None,
    title: str | None = None,
) -> Figure:
    """Draws one cluster in each row: the image of its head, and examples that fall in it.

    Args:
        heads: float [m, height, width] or [m, height, width, 1 or 3], one image for each cluster:
            its head decoded with style zero, or its exemplar. Values outside [0, 1] are clipped.
        examples: float [n, ...], images of the same shape.
        clusters: integer [n], the cluster that each falls in, from 0 to m - 1; -1 is not shown.
        columns: examples in a row, the first ones of each cluster; the row of a cluster with
            fewer ends in white.
        names: of the rows, such as the class assigned to each cluster; None numbers them.
        title: text above the images.

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
        members = examples[clusters == cluster][:columns]
        tiles[cluster, : len(members)] = members
    body = tile_images(tiles.reshape(-1, *heads.shape[1:]), columns)
    # A wider space separates the head from its examples.
    gap = image_gap(heads)
    space = np.ones((body.shape[0], 4 * gap, body.shape[2]), np.float32)
    page = np.concatenate([tile_images(heads, 1), space, body], axis=1)
    figure, axes = draw_page(page, _INCHES * (columns + 1), left=0.4, bottom=0.3, title=title)

    height, width = heads.shape[1:3]
    axes.set_yticks(
        np.arange(count) * (height + gap) + (height - 1) / 2,
        [shorten(name) for name in names],
        fontsize=FONT_SIZE,
        parse_math=False,
    )
    left = width + 4 * gap
    axes.xaxis.tick_top()
    axes.set_xticks(
        [(width - 1) / 2, left + (body.shape[1] - 1) / 2], ["head", "examples"], fontsize=FONT_SIZE
    )
    axes.tick_params(length=0)
    return figure


def image_rows(rows: Mapping[str, Any], title: str | None = None) -> Figure:
    """Draws rows of images with a name at the left of each: paths, traversals, neighbours.

    Args:
        rows: by name, float [n, height, width], [n, height, width, 1] or [n, height, width, 3],
            images of one size; a row with fewer images ends in white. Values outside [0, 1] are
            clipped.
        title: text above the images.

    Returns:
        Figure with the names at the left.

    Raises:
        TypeError: if `rows` is no mapping to arrays of floats.
        ValueError: if there is no row, or rows are no images or of different sizes.

    Example:

    >>> from aae_tf import AAE, evaluation, networks, priors
    >>> encoder = networks.mlp_encoder((8, 8, 1), units=(16,))
    >>> decoder = networks.mlp_decoder((8, 8, 1), code_dim=2, units=(16,))
    >>> model = AAE(encoder, decoder, prior=priors.gaussian(2))
    >>> a, b = [-1.0, 0.0], [0.0, 2.0]
    >>> figure = image_rows({
    ...     "straight": evaluation.interpolate(model, a, b),
    ...     "spherical": evaluation.interpolate(model, a, b, spherical=True)})
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['straight', 'spherical']
    """
    if not isinstance(rows, Mapping):
        raise TypeError(
            "Expected `rows` to be a mapping from names to images. "
            f"Received: rows of type {type(rows).__name__}."
        )
    if not rows:
        raise ValueError("Expected `rows` to have at least one entry. Received: rows={}.")
    checked = [check_images(f"rows[{name!r}]", images) for name, images in rows.items()]
    if len({images.shape[1:] for images in checked}) > 1:
        shapes = dict(zip(rows, (images.shape for images in checked), strict=True))
        raise ValueError(f"Expected `rows` to hold images of one size. Received: {shapes}.")
    columns = max(map(len, checked))
    tiles = np.concatenate([_row(images, 0, columns) for images in checked])
    page = tile_images(tiles, columns)
    figure, axes = draw_page(page, _INCHES * columns, left=0.8, bottom=0.1, title=title)
    height = tiles.shape[1]
    axes.set_yticks(
        np.arange(len(rows)) * (height + image_gap(tiles)) + (height - 1) / 2,
        [shorten(str(name)) for name in rows],
        fontsize=FONT_SIZE,
        parse_math=False,
    )
    return figure


def _row(images: np.ndarray, start: int, columns: int) -> np.ndarray:
    """Returns `columns` images from `start` on, white ones after the last."""
    row = images[start : start + columns]
    white = np.ones((columns - len(row), *images.shape[1:]), images.dtype)
    return np.concatenate([row, white])
