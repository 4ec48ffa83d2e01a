"""Readers of data sets: the digits of scikit-learn, and what TensorFlow Datasets has prepared."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from aae_tf.checks import import_extra

_TEST_SIZE = 297
_NAME = re.compile(r"\w+(/\w[\w.+-]*)?")
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_BATCH_SIZE = 1000


class DatasetNotFoundError(FileNotFoundError):
    """Raised where no prepared copy of a data set is found; the message says what to do."""


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


def read_digits() -> Source:
    """Reads scikit-learn's 1,797 digits; the test split is always the same 297, stratified."""
    datasets = import_extra("sklearn.datasets", "data", "data.load")
    model_selection = import_extra("sklearn.model_selection", "data", "data.load")
    digits = datasets.load_digits()
    x_train, x_test, y_train, y_test = model_selection.train_test_split(
        digits.images[..., np.newaxis],
        digits.target.astype(np.int64),
        test_size=_TEST_SIZE,
        random_state=0,
        stratify=digits.target,
    )
    return Source(
        x_train, y_train, x_test, y_test, 16, tuple(str(name) for name in digits.target_names)
    )


def available(data_dir: str | os.PathLike[str] | None = None) -> list[str]:
    """List the names that `load` finds on this machine.

    Args:
        data_dir: directory of prepared data sets, searched beside `TFDS_DATA_DIR` and
            `~/tensorflow_datasets`.

    Returns:
        Sorted list of str: "digits", which is bundled, and every prepared data set, as `name` or
        `name/config`. They need not hold images with labels.

    Example:

    >>> "digits" in available()
    True
    """
    found = {"digits"}
    for directory in _directories(data_dir):
        for parent in _subdirectories(directory):
            for candidate in (parent, *_subdirectories(parent)):
                if _versions(candidate):
                    found.add(candidate.relative_to(directory).as_posix())
    return sorted(found)


def find_prepared(name: str, data_dir: str | os.PathLike[str] | None) -> Path:
    """Returns the directory of the highest prepared version of a data set.

    Raises:
        ValueError: if `name` is no name of a data set.
        DatasetNotFoundError: if no searched directory holds it.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            "Expected `name` to be 'digits', or the name of a TensorFlow Datasets data set, such "
            f"as 'mnist' or 'emnist/letters'. Received: name={name!r}."
        )
    directories = _directories(data_dir)
    for directory in directories:
        versions = _versions(directory / name)
        if versions:
            return versions[max(versions)]
    # Not `tfds build`: that command needs Apache Beam.
    prepare = f"tfds.builder({name!r}, data_dir=DIR).download_and_prepare()"
    raise DatasetNotFoundError(
        "Expected `name` to be a data set on this machine. "
        f"Received: name={name!r}, which is in none of {', '.join(map(str, directories))}. Set "
        f"TFDS_DATA_DIR to the directory that holds it, or prepare it where there is a network: "
        f'`python -c "import tensorflow_datasets as tfds; {prepare}"`. '
        f"Available: {', '.join(available(data_dir))}."
    )


def read_prepared(name: str, directory: Path) -> Source:
    """Reads the train and test splits of a prepared data set, from disk alone.

    Raises:
        ValueError: if it has no such splits, or no pairs of an image of one size and a class.
    """
    tfds = import_extra("tensorflow_datasets", "data", "data.load")
    builder = tfds.builder_from_directory(directory)
    info = builder.info
    # The supervised keys of a data set may be nested, or name features of other kinds.
    features = [
        info.features[key] if isinstance(key, str) else key for key in info.supervised_keys or ()
    ]
    if not (
        [type(feature) for feature in features] == [tfds.features.Image, tfds.features.ClassLabel]
        and None not in features[0].shape
        and features[0].np_dtype in (np.uint8, np.uint16)
    ):
        raise ValueError(
            f"Expected data set {name!r} to consist of 8-bit or 16-bit images of one size with a "
            f"class label each. Received: features={info.features!r}, "
            f"supervised_keys={info.supervised_keys!r}."
        )
    image, label = features
    missing = {"train", "test"} - set(info.splits)
    if missing:
        raise ValueError(
            f"Expected data set {name!r} to have the splits 'train' and 'test'. "
            f"Received: splits={sorted(info.splits)!r}."
        )
    return Source(
        *_read_split(builder, "train"),
        *_read_split(builder, "test"),
        largest=int(np.iinfo(image.np_dtype).max),
        class_names=tuple(label.names),
    )


def _read_split(builder: Any, split: str) -> tuple[np.ndarray, np.ndarray]:
    # Reading in batches is as fast as in one piece, without a second copy of everything.
    batches = builder.as_dataset(split=split, batch_size=_BATCH_SIZE, as_supervised=True)
    images, labels = zip(*batches.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def _directories(data_dir: str | os.PathLike[str] | None) -> list[Path]:
    candidates = [data_dir, os.environ.get("TFDS_DATA_DIR"), "~/tensorflow_datasets"]
    # A dict keeps the order and drops repetitions.
    return list(dict.fromkeys(Path(path).expanduser() for path in candidates if path))


def _versions(directory: Path) -> dict[tuple[int, ...], Path]:
    versions = {}
    for child in _subdirectories(directory):
        match = _VERSION.fullmatch(child.name)
        if match and (child / "dataset_info.json").is_file():
            versions[tuple(int(number) for number in match.groups())] = child
    return versions


def _subdirectories(directory: Path) -> Iterator[Path]:
    if directory.is_dir():
        yield from (child for child in directory.iterdir() if child.is_dir())
