"""The figure of which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from aae_tf import data
from aae_tf.evaluation.canvas import FONT_SIZE, new_axes, set_title, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Classes up to which every cell holds its number.
_MOST_NUMBERS = 20
_INCHES = 0.36
_LONGEST_ABREAST = 3


def confusion_matrix(
    y: Any,
    predicted: Any,
    class_names: Sequence[str] | None = None,
    num_classes: int | None = None,
    title: str | None = None,
) -> Figure:
    """Draws how many inputs of each class are given which class.

    A row holds the inputs of one class and a column those that are predicted as one; the colour is
    the share of the row. Up to twenty classes have their numbers in the cells.

    Args:
        y: integers [n], the classes, -1 where unknown: those are left out.
        predicted: integers [n], the predictions.
        class_names: name of each class; None numbers them from 0.
        num_classes: number of classes; None takes the number of names, or the largest class.
        title: text above the matrix; None says the share of wrong predictions.

    Returns:
        Figure; its first axes show the matrix.

    Raises:
        TypeError: if an array holds no integers.
        ValueError: if lengths differ, no class is known, a class is out of its range, or there is
            not one name for each class.

    Example:

    >>> figure = confusion_matrix([0, 0, 1, 1], [0, 1, 1, 1], ["cat", "dog"])
    >>> figure.axes[0].get_title(loc="left")
    'error 25.0% of 4 inputs'

    The cells by row: one cat of two is taken for a dog.

    >>> figure.axes[0].images[0].get_array().tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    if num_classes is None and class_names is not None:
        num_classes = len(class_names)
    y = data.check_labels(y, "y", num_classes)
    predicted = data.check_labels(predicted, "predicted", num_classes, required="all", size=len(y))
    is_known = y >= 0
    if not is_known.any():
        raise ValueError(f"Expected `y` to have a known class. Received: {len(y)} labels of -1.")
    y, predicted = y[is_known], predicted[is_known]
    count = num_classes or int(max(y.max(), predicted.max())) + 1
    names = [str(k) for k in range(count)] if class_names is None else list(map(str, class_names))
    if len(names) != count:
        raise ValueError(
            f"Expected `class_names` to have one entry for each of the {count} classes. "
            f"Received: class_names={class_names!r}."
        )
    counts = np.bincount(y * count + predicted, minlength=count**2).reshape(count, count)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    side = max(2.4, _INCHES * min(count, 2 * _MOST_NUMBERS))
    figure, axes = new_axes(side + 1.6, side + 0.9)
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    if count <= _MOST_NUMBERS:
        for (row, column), number in np.ndenumerate(counts):
            if number:
                color = "white" if shares[row, column] > 0.5 else "0.2"
                size = FONT_SIZE - (1 if number < 1000 else 3)
                axes.text(
                    column, row, f"{number}", ha="center", va="center", color=color, fontsize=size
                )
    _name_axes(axes, [shorten(name) for name in names])
    bar = figure.colorbar(image, ax=axes, shrink=0.6)
    bar.set_label("share of the class", fontsize=FONT_SIZE - 1)
    bar.ax.tick_params(labelsize=FONT_SIZE - 2)
    error = float((y != predicted).mean())
    set_title(axes, f"error {error:.1%} of {len(y):,} inputs" if title is None else title)
    return figure


def _name_axes(axes: Any, names: list[str]) -> None:
    # Of many classes every k-th is named.
    every = -(-len(names) // (2 * _MOST_NUMBERS))
    ticks = np.arange(0, len(names), every)
    is_long = max(map(len, names)) > _LONGEST_ABREAST
    style = {"fontsize": FONT_SIZE - 1, "parse_math": False}
    axes.set_xticks(ticks, names[::every], rotation=90 if is_long else 0, **style)
    axes.set_yticks(ticks, names[::every], **style)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted", fontsize=FONT_SIZE)
    axes.set_ylabel("class", fontsize=FONT_SIZE)
