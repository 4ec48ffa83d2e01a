"""The figure of the logs of a training by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aae_tf.checks import import_extra
from aae_tf.evaluation.canvas import FONT_SIZE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 3
_PANEL_INCHES = (4.0, 2.6)
_VALIDATION = "val_"
_COLORS = ("#3c78ff", "#e1691e")
# Numbers of epochs whose values are drawn as dots, too.
_FEW = 30


def learning_curves(
    history: Mapping[str, Sequence[float]], first_epoch: int = 1, title: str | None = None
) -> Figure:
    """Draws each log of a training by epoch, with its value on validation data beside it.

    One panel for each log: `loss` and `reconstruction_loss` first, the others in the order of the
    mapping. A log without a finite value has no panel. Where all values of a panel are positive and
    the largest is more than a hundred times the smallest, its axis is logarithmic.

    Args:
        history: by name of the log, its value in each epoch, NaN where it has none; such as
            `model.fit(...).history`.
        first_epoch: number of the first value's epoch.
        title: text above the panels.

    Returns:
        Figure with up to three panels abreast.

    Raises:
        ValueError: if no log has a finite value.

    Example:

    >>> figure = learning_curves({"loss": [3.0, 2.0], "val_loss": [3.1, 2.4]})
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['training', 'validation']
    """
    keys = [key for key in _names(history) if any(map(_finite, _both(history, key)))]
    if not keys:
        raise ValueError(
            "Expected `history` to have a log with a finite value. "
            f"Received: logs {sorted(history)}."
        )
    columns = min(len(keys), _COLUMNS)
    rows = -(-len(keys) // columns)
    width, height = _PANEL_INCHES
    figure = import_extra("matplotlib.figure", "figures").Figure(
        figsize=(width * columns, height * rows + 0.2), layout="constrained"
    )
    if title:
        figure.suptitle(title, parse_math=False)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, key in zip(panels, keys, strict=False):
        drawn: list[float] = []
        curves = zip(("training", "validation"), _COLORS, _both(history, key), strict=True)
        for label, color, values in curves:
            points = {first_epoch + i: x for i, x in enumerate(values) if math.isfinite(x)}
            if points:
                marker = "." if len(points) < _FEW else ""
                axes.plot([*points], [*points.values()], label=label, color=color, marker=marker)
                drawn += points.values()
        axes.set_title(key.replace("_", " "), fontsize=FONT_SIZE + 1, parse_math=False)
        axes.set_xlabel("epoch", fontsize=FONT_SIZE)
        axes.tick_params(labelsize=FONT_SIZE - 1)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.spines[["top", "right"]].set_visible(False)
        if min(drawn) > 0.0 and max(drawn) > 100.0 * min(drawn):
            axes.set_yscale("log")
        axes.legend(frameon=False, fontsize=FONT_SIZE - 1)
    for axes in panels[len(keys) :]:
        axes.remove()
    return figure


def _names(history: Mapping[str, Sequence[float]]) -> list[str]:
    logged = (key.removeprefix(_VALIDATION) for key in history)
    return list(dict.fromkeys(["loss", "reconstruction_loss", *logged]))


def _both(history: Mapping[str, Sequence[float]], key: str) -> list[list[float]]:
    return [[float(x) for x in history.get(prefix + key, ())] for prefix in ("", _VALIDATION)]


def _finite(values: Sequence[float]) -> bool:
    return any(map(math.isfinite, values))
