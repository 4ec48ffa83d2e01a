"""Inputs and what the model makes of them, side by side."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from aae_tf.evaluation.canvas import FONT_SIZE
from aae_tf.evaluation.mosaic import check_images, draw_page, gap_for, mosaic

_COLUMNS = 12
_INCHES = 0.55


def reconstructions(inputs: Any, outputs: Any) -> Figure:
    """Draws pairs of rows: inputs, and below each its reconstruction.

    Args:
        inputs: float [n, height, width], [n, height, width, 1] or [n, height, width, 3], values
            in [0, 1].
        outputs: what the model makes of them, same shape; values outside [0, 1] are clipped.

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
    columns = min(len(inputs), _COLUMNS)
    pairs = [
        mosaic(
            np.concatenate([_row(inputs, start, columns), _row(outputs, start, columns)]), columns
        )
        for start in range(0, len(inputs), columns)
    ]
    # Pairs stand further apart than the two rows of one pair.
    space = np.ones((3 * gap_for(inputs), *pairs[0].shape[1:]), np.float32)
    page = np.concatenate([part for pair in pairs for part in (pair, space)][:-1])
    figure, axes = draw_page(page, _INCHES * columns, left=0.6, bottom=0.1)

    height = inputs.shape[1]
    tops = np.arange(len(pairs)) * (pairs[0].shape[0] + space.shape[0])
    rows = np.array([0, height + gap_for(inputs)])
    centres = (tops[:, np.newaxis] + rows + (height - 1) / 2).ravel()
    axes.set_yticks(centres, ["input", "output"] * len(pairs), fontsize=FONT_SIZE)
    return figure


def _row(images: np.ndarray, start: int, columns: int) -> np.ndarray:
    chosen = images[start : start + columns]
    white = np.ones((columns - len(chosen), *images.shape[1:]), images.dtype)
    return np.concatenate([chosen, white])
