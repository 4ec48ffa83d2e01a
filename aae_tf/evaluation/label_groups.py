"""The points of each class, and the colour they get in every figure."""

from typing import Any, NamedTuple

import matplotlib
import numpy as np

from aae_tf import data

# Petroff 2021, "Accessible color sequences for data visualization" (arXiv:2107.02270): ten
# colours that stay apart under the common colour-vision deficiencies.
PALETTE = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
MANY_CLASSES = matplotlib.colormaps["viridis"]
_UNKNOWN = "#d8d8d8"


class LabelGroup(NamedTuple):
    """The points of one class.

    Attributes:
        name: how the legend calls the class.
        color: "#rrggbb".
        rows: bool [n], which points.
    """

    name: str
    color: str
    rows: np.ndarray


def label_groups(labels: Any | None, count: int) -> list[LabelGroup]:
    """Splits points by label, the unknown ones first.

    Classes below ten keep their colour whichever are present; more than ten share a continuous
    colour map.

    Args:
        labels: integer [count], -1 where unknown; None makes one group without a name.
        count: number of points.

    Returns:
        Groups that are not empty, in the order of the labels.

    Raises:
        TypeError: if `labels` is no array of integers.
        ValueError: if there is not one label per point, or one is below -1.
    """
    if labels is None:
        return [LabelGroup("", PALETTE[0], np.ones(count, bool))]
    labels = data.check_labels(labels, "labels", size=count)
    groups = [LabelGroup("unknown", _UNKNOWN, labels < 0)] if (labels < 0).any() else []
    classes = np.unique(labels[labels >= 0])
    for rank, label in enumerate(classes):
        if len(classes) > len(PALETTE):
            share = rank / (len(classes) - 1)
            color = matplotlib.colors.to_hex(MANY_CLASSES(share))
        else:
            color = PALETTE[label if classes[-1] < len(PALETTE) else rank]
        groups.append(LabelGroup(str(label), color, labels == label))
    return groups
