"""What a reader of one kind of data set hands to `load`."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set as it is stored: a train and a test split of unscaled images.

    Attributes:
        x_train, x_test: [n, height, width, channels], in 0 ... `largest`.
        y_train, y_test: int64 [n].
        largest: the value of a white pixel.
        class_names: the name of each class.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    largest: int
    class_names: tuple[str, ...]
