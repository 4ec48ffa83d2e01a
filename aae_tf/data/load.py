"""One way to every data set."""

from __future__ import annotations

import os

import numpy as np

from aae_tf.checks import check_integer
from aae_tf.data.dataset import Dataset
from aae_tf.data.digits import read_digits
from aae_tf.data.labelled_subset import labelled_subset
from aae_tf.data.prepared import find_prepared, read_prepared


def load(
    name: str,
    labels: int | None = None,
    validation: float | int = 1 / 6,
    seed: int = 0,
    data_dir: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Load a data set of images and class labels, with images scaled to [0, 1].

    `"digits"` are the 1,797 images of 8x8 pixels that scikit-learn bundles. Any other name is one
    of TensorFlow Datasets, `"mnist"` or `"emnist/letters"`, which must have been prepared on this
    machine: its highest version is read from the first of `data_dir`, `TFDS_DATA_DIR` and
    `~/tensorflow_datasets` that holds it. Nothing is ever downloaded.

    The validation split is taken from the train split, at random and stratified by class. The test
    split is the data set's own (of digits, 297 images) and does not depend on any argument.

    Args:
        name: str, the data set.
        labels: int, number of training labels to keep, balanced over the classes (see
            `labelled_subset`); the others become -1. By default all are kept.
        validation: float in [0, 1), the fraction of the train split that becomes the validation
            split, or int, its size. The default is 10,000 of MNIST's 60,000 images.
        seed: int, seed of both random choices, 0 ... 2^32 - 1.
        data_dir: directory of prepared data sets, searched first.

    Returns:
        `Dataset`.

    Raises:
        TypeError: if an argument is of the wrong type.
        ValueError: if `name` cannot be one of a data set, if the data set has no images with
            labels or no test split, or if `labels` or `validation` do not fit it.
        DatasetNotFoundError: a `FileNotFoundError`, if the data set is not on this machine.

    Example:
        >>> digits = load("digits", labels=100)
        >>> digits.x_train.shape, int((digits.y_train >= 0).sum())
        ((1250, 8, 8, 1), 100)
    """
    check_integer("seed", seed, maximum=2**32 - 1)
    if labels is not None:
        check_integer("labels", labels)
    if not isinstance(validation, float):
        check_integer("validation", validation)
    elif not 0 <= validation < 1:
        raise ValueError(
            "Expected `validation` to be a fraction in [0, 1), or a number of images. "
            f"Received: validation={validation}."
        )
    source = (
        read_digits() if name == "digits" else read_prepared(name, find_prepared(name, data_dir))
    )
    train, held_out = _split(source.y_train, validation, seed)
    y_train = source.y_train[train]
    return Dataset(
        name=name,
        x_train=_scale(source.x_train[train], source.largest),
        y_train=y_train if labels is None else labelled_subset(y_train, labels, seed),
        x_validation=_scale(source.x_train[held_out], source.largest),
        y_validation=source.y_train[held_out],
        x_test=_scale(source.x_test, source.largest),
        y_test=source.y_test,
        num_classes=len(source.class_names),
        class_names=source.class_names,
    )


def _split(y: np.ndarray, validation: float | int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Share the rows of the train split between training and validation."""
    # Imported here, since scikit-learn takes a second to import.
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(y))
    size = round(validation * len(y)) if isinstance(validation, float) else int(validation)
    if size == 0:
        return rows, rows[:0]
    num_classes = len(np.unique(y))
    if not num_classes <= size <= len(y) - num_classes:
        raise ValueError(
            f"Expected `validation` to leave each of {num_classes} classes an image of {len(y)} on "
            f"both sides, or to be 0. Received: validation={validation}, which is {size} images."
        )
    train, held_out = train_test_split(rows, test_size=size, random_state=seed, stratify=y)
    return train, held_out


def _scale(images: np.ndarray, largest: int) -> np.ndarray:
    scaled = images.astype(np.float32)
    scaled /= largest
    return scaled
