"""Points split by class, and the colours of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from aae_tf import data
from aae_tf.checks import import_extra

# Under normal vision every two colours are at least 44 apart in CIELAB; with protanopia or
# deuteranopia, simulated by the matrices of Machado, Oliveira and Fernandes 2009, "A
# Physiologically-based Model for Simulation of Color Vision Deficiency", at least 28, as are all
# from the grey of unknown labels. Found by a search that exchanges one colour at a time.
PALETTE = (
    "#3c78ff", "#ffc300", "#4b9669", "#3cc3ff", "#693c0f",
    "#782d5a", "#e1691e", "#00e178", "#f03cb4", "#7800a5",
)  # fmt: skip
COLORMAP = "viridis"
UNKNOWN_COLOR = "#d8d8d8"
UNKNOWN_NAME = "unknown"


class LabelGroup(NamedTuple):
    """The points of one class.

    Attributes:
        label: the class; -1 of points whose class is unknown.
        name: of the class in the legend; empty where there are no labels.
        color: "#rrggbb".
        rows: bool [n], which points are of the class.
    """

    label: int
    name: str
    color: str
    rows: np.ndarray


def label_groups(
    labels: Any | None, count: int, class_names: Sequence[str] | None = None
) -> list[LabelGroup]:
    """Splits points by label, the unknown ones first.

    Up to ten classes take their colours from a palette: by label where all are below ten, so that
    a class has the same colour in every figure, else by rank. More than ten take theirs from a
    continuous colour map.

    Args:
        labels: integer [count], -1 where unknown; None makes one group without a name.
        count: number of points.
        class_names: name of each class; None takes its number.

    Returns:
        Groups that are not empty, in the order of the labels.

    Raises:
        TypeError: if `labels` is no array of integers.
        ValueError: if there is not one label per point, one is below -1, or one has no name.
    """
    if labels is None:
        return [LabelGroup(-1, "", PALETTE[0], np.ones(count, bool))]
    labels = data.check_labels(labels, "labels", size=count)
    classes = np.unique(labels[labels >= 0])
    if class_names is not None and len(classes) and classes[-1] >= len(class_names):
        raise ValueError(
            "Expected `class_names` to name every label. "
            f"Received: label {classes[-1]}, {len(class_names)} names."
        )
    groups = []
    if (labels < 0).any():
        groups.append(LabelGroup(-1, UNKNOWN_NAME, UNKNOWN_COLOR, labels < 0))
    for rank, label in enumerate(classes):
        if len(classes) > len(PALETTE):
            matplotlib = import_extra("matplotlib", "figures")
            # As the colour bar, along which a label that does not occur has its place, too.
            share = float(label - classes[0]) / float(classes[-1] - classes[0])
            color = matplotlib.colors.to_hex(matplotlib.colormaps[COLORMAP](share))
        else:
            color = PALETTE[label if classes[-1] < len(PALETTE) else rank]
        name = str(label) if class_names is None else str(class_names[label])
        groups.append(LabelGroup(int(label), name, color, labels == label))
    return groups
