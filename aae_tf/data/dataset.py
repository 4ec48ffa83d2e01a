"""Images and labels in three splits."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Images and labels for training, validation and test.

    Attributes:
        name: str, the name given to `load`.
        x_train, x_validation, x_test: float32 [n, height, width, channels] in [0, 1].
        y_train, y_validation, y_test: int64 [n], classes 0 ... num_classes - 1; in `y_train`, -1
            where the label is unknown.
        num_classes: int.
        class_names: tuple of str, the name of each class.

    Example:
        >>> from aae_tf import data
        >>> digits = data.load("digits")
        >>> digits.x_train.shape, digits.x_validation.shape, digits.x_test.shape
        ((1250, 8, 8, 1), (250, 8, 8, 1), (297, 8, 8, 1))
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_validation: np.ndarray
    y_validation: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    num_classes: int
    class_names: tuple[str, ...]
