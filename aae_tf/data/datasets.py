"""Data sets by name, in three splits, with all training labels or a few of them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from aae_tf.checks import check_bool, check_integer, import_extra
from aae_tf.data.balance_classes import labelled_subset
from aae_tf.data.check_arrays import check_array
from aae_tf.data.files import (
    check_classes,
    find_tables,
    infer_schema,
    is_path,
    number_labels,
    read_rows,
)
from aae_tf.data.sources import find_prepared, read_digits, read_prepared
from aae_tf.data.stored_rows import StoredRows
from aae_tf.data.table_store import open_store
from aae_tf.data.time_series import Steps, check_window, read_steps, split_steps
from aae_tf.tables.columns import to_columns
from aae_tf.tables.schema import TableSchema

# The share of the rows in the validation and in the test split, and how many of a streamed table.
_SHARE = 1 / 6
_MOST_HELD_OUT = 10_000
_SPLITS = ("train", "validation", "test")
# Bytes of tables, above which rows are streamed.
_LARGEST_IN_MEMORY = 256 * 2**20


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Images, arrays or rows of a table, with labels, for training, validation and test.

    Attributes:
        name: str, the name given to `load`.
        x_train, x_validation, x_test: float32 [n, height, width, channels] in [0, 1]; of an array
            that is no image, float32 [n, ...] as it is; of a table its features, float32
            [n, table.width], which models with `table=dataset.table` take like the columns. The
            `x_train` of a table that is streamed stays in a file: `shuffled_batches` and
            `mix_labels` take it.
        y_train, y_validation, y_test: int64 [n], classes 0 ... num_classes - 1; in `y_train`, -1
            where the label is unknown.
        num_classes: int.
        class_names: tuple of str, the name of each class; empty where there are no labels.
        table: the columns of a table, with statistics of the training split; None for arrays.
        steps: the steps of the test split of a time series, whose windows `x_test` are; the train
            split comes before the validation split, and this before the test split. None elsewhere.
        column_names: names of the columns of a time series.
        normal: the class of most training steps of a time series; None elsewhere, and where no
            label of a training step is known.

    Example:

    >>> from aae_tf import data
    >>> digits = data.load("digits")
    >>> digits.x_train.shape, digits.x_validation.shape, digits.x_test.shape
    ((1250, 8, 8, 1), (250, 8, 8, 1), (297, 8, 8, 1))
    """

    name: str
    x_train: np.ndarray | StoredRows
    y_train: np.ndarray
    x_validation: np.ndarray
    y_validation: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    num_classes: int
    class_names: tuple[str, ...]
    table: TableSchema | None = None
    steps: Steps | None = None
    column_names: tuple[str, ...] = ()
    normal: int | None = None


def load(
    name: str,
    labels: int | None = None,
    validation: float | int | None = None,
    seed: int = 0,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    test: float | int | None = None,
    label_column: str | None = None,
    kinds: Mapping[str, str] | None = None,
    exclude: Sequence[str] = (),
    stream: bool | None = None,
    time_column: str | None = None,
    window: int | None = None,
    stride: int | None = None,
    largest_gap: float | None = None,
) -> Dataset:
    """Loads data: a known data set of images by its name, or your own from files.

    A path or a pattern of files is read as `aae_tf.data.files.read_rows` describes: tables from
    CSV and Parquet files, arrays of NumPy, folders of images. Without a test split of their own,
    one is taken at random, which depends on `seed`.

    A table that is streamed is read once, part by part, and stored as numbers below the folder that
    the environment variable AAE_TF_CACHE names, by default `~/.cache/aae_tf`; later calls read
    that, while the files do not change. Memory then holds labels, the validation and test splits,
    one column at a time, and batches.

    With a time column the rows of a table are the steps of one time series: they are put into the
    order of time, the first ones train, the next ones validate, the last ones are the test split,
    and each split is cut into windows, float32 [windows, window, columns], in the units of the
    file. Windows of the validation split do not overlap, so that a detector can be calibrated on
    them. A window has the rarest of the labels of its steps.

    `"digits"` are the 1,797 images of 8x8 pixels that scikit-learn bundles. Any other name is one
    of TensorFlow Datasets, such as `"mnist"` or `"emnist/letters"`, which must have been prepared
    on this machine: its highest version is read from the first of `data_dir`, `TFDS_DATA_DIR` and
    `~/tensorflow_datasets` that holds it. Nothing is downloaded. Both packages come with the extra
    `aae_tf[data]`.

    The validation split is taken from the train split, at random and stratified by class. The test
    split is the data set's own (of digits, 297 images) and does not depend on any argument.

    Args:
        name: str, the data set.
        labels: int, number of training labels to keep, balanced over the classes (see
            `labelled_subset`); the others become -1. By default all are kept.
        validation: float in [0, 1), the fraction of the train split that becomes the validation
            split, or int, its size. The default is a sixth, 10,000 of MNIST's 60,000 images; of a
            table that is streamed, at most 10,000 rows.
        seed: int, seed of both random choices, 0 ... 2^32 - 1.
        data_dir: directory of prepared data sets, searched first.
        test: like `validation`, the test split of files without one of their own.
        label_column: name of the column of a table that holds labels, of any type; empty ones are
            unknown.
        kinds: kinds of columns of a table, in place of those inferred, see `TableSchema.infer`.
        exclude: names of columns of a table that are left out.
        stream: whether the training rows of a table stay in a file. By default those of files of
            more than 256 MiB together.
        time_column: name of the column of times of a table: dates, or numbers.
        window: with a time column, the steps of a window; by default 32.
        stride: with a time column, the steps from one training or test window to the next; by
            default 1.
        largest_gap: with a time column, see `data.windows`: no window is cut across a gap.

    Returns:
        `Dataset`.

    Raises:
        ImportError: if the extra `data` is not installed.
        TypeError: if an argument is of the wrong type.
        ValueError: if `name` is not of the form of a name, if the data set has no images with
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
    if validation is not None:
        _check_share("validation", validation)
    if test is not None:
        _check_share("test", test)
    if stream is not None:
        check_bool("stream", stream)
    tables = find_tables(name) if is_path(name) else []
    if not tables and (label_column is not None or kinds or exclude or stream):
        raise ValueError(
            "Expected `label_column`, `kinds`, `exclude` and `stream` to be left out but for a "
            f"table, in a CSV or Parquet file. Received: name={name!r}."
        )
    if time_column is None and any(each is not None for each in (window, stride, largest_gap)):
        raise ValueError(
            "Expected `window`, `stride` and `largest_gap` to be left out without `time_column`. "
            f"Received: window={window}, stride={stride}, largest_gap={largest_gap}."
        )
    if time_column is not None:
        window, stride = 32 if window is None else window, 1 if stride is None else stride
        if not tables or kinds or stream:
            raise ValueError(
                "Expected `time_column` for a table, in a CSV or Parquet file, with `kinds` and "
                f"`stream` left out. Received: time_column={time_column!r}, name={name!r}, "
                f"kinds={kinds}, stream={stream}."
            )
        check_window(window, stride, largest_gap)
        shares = tuple(_SHARE if share is None else share for share in (validation, test))
        rows = read_rows(name, label_column)
        steps = read_steps(rows.x, rows.y, time_column, name, exclude=exclude)
        parts = split_steps(steps, *shares)
        cut = (window, stride, largest_gap)
        return _window_splits(name, parts, *cut, labels, rows.class_names, seed)
    if stream is None:
        stream = sum(Path(path).stat().st_size for path in tables) > _LARGEST_IN_MEMORY
    if stream:
        return _stream(
            name, tables, labels, validation, test, seed, label_column, kinds or {}, exclude
        )
    validation = _SHARE if validation is None else validation
    if is_path(name):
        test = _SHARE if test is None else test
        return _load_files(name, labels, validation, test, seed, label_column, kinds, exclude)
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


def _window_splits(
    name: str,
    parts: tuple[Steps, Steps, Steps],
    window: int,
    stride: int,
    largest_gap: float | None,
    labels: int | None,
    class_names: tuple[str, ...],
    seed: int,
) -> Dataset:
    cuts = [
        part.windows(window, step, largest_gap, f"the {split} split")
        for part, step, split in zip(parts, (stride, window, stride), _SPLITS, strict=True)
    ]
    known = [part.y[part.y >= 0] for part in parts]
    frequencies = np.bincount(np.concatenate(known), minlength=len(class_names))
    normal = None
    if len(known[0]):
        # Of steps: a few of another class, far apart, are in most of the windows.
        normal = int(np.bincount(known[0]).argmax())
        frequencies[normal] = frequencies.max() + 1
    y = [part.window_labels(cut, frequencies) for part, cut in zip(parts, cuts, strict=True)]
    return Dataset(
        name=name,
        x_train=cuts[0].x,
        y_train=y[0] if labels is None else labelled_subset(y[0], labels, seed),
        x_validation=cuts[1].x,
        y_validation=y[1],
        x_test=cuts[2].x,
        y_test=y[2],
        num_classes=len(class_names),
        class_names=class_names,
        steps=parts[2],
        column_names=parts[2].column_names,
        normal=normal,
    )


def _split(
    y: np.ndarray, validation: float | int, seed: int, name: str = "validation"
) -> tuple[np.ndarray, np.ndarray]:
    """Divides the rows of the train split into training and validation, stratified by class."""
    train_test_split = import_extra("sklearn.model_selection", "data", "data.load").train_test_split
    rows = np.arange(len(y))
    size = round(validation * len(y)) if isinstance(validation, float) else int(validation)
    if size == 0:
        return rows, rows[:0]
    num_classes = len(np.unique(y))
    if not num_classes <= size <= len(y) - num_classes:
        raise ValueError(
            f"Expected `{name}` to leave each of {num_classes} classes an image of {len(y)} on "
            f"both sides, or to be 0. Received: {name}={validation}, which is {size} images."
        )
    train, held_out = train_test_split(rows, test_size=size, random_state=seed, stratify=y)
    return train, held_out


def _load_files(
    name: str,
    labels: int | None,
    validation: float | int,
    test: float | int,
    seed: int,
    label_column: str | None,
    kinds: Mapping[str, str] | None,
    exclude: Sequence[str],
) -> Dataset:
    rows = read_rows(name, label_column)
    train, held_out, tested = _split_files(rows.y, validation, test, seed, rows.test)
    table = None
    if isinstance(rows.x, Mapping):
        from aae_tf.tables.features import compute_features

        table = infer_schema(rows.x, train, kinds or {}, exclude, name)
        columns = {column: rows.x[column] for column in table.names}
        x = compute_features(table, to_columns(columns, table, name))
    else:
        x = check_array(rows.x, name)
    y_train = rows.y[train]
    return Dataset(
        name=name,
        x_train=x[train],
        y_train=y_train if labels is None else labelled_subset(y_train, labels, seed),
        x_validation=x[held_out],
        y_validation=rows.y[held_out],
        x_test=x[tested],
        y_test=rows.y[tested],
        num_classes=len(rows.class_names),
        class_names=rows.class_names,
        table=table,
    )


def _stream(
    name: str,
    tables: Sequence[str],
    labels: int | None,
    validation: float | int | None,
    test: float | int | None,
    seed: int,
    label_column: str | None,
    kinds: Mapping[str, str],
    exclude: Sequence[str],
) -> Dataset:
    store = open_store(tables, label_column, kinds, exclude)
    y = np.full(len(store), -1)
    class_names: tuple[str, ...] = ()
    if label_column is not None:
        # The last one is that of rows whose label is missing.
        ids, class_names = number_labels(np.array([*store.label_values, None], object))
        check_classes(class_names, label_column, tables[0])
        y = ids[store.labels]
    default = min(_SHARE, _MOST_HELD_OUT / len(store))
    train, held_out, tested = _split_files(
        y, default if validation is None else validation, default if test is None else test, seed
    )
    # In the order of the file, which is how it is read fastest.
    train = np.sort(train)
    table = infer_schema(store, train, kinds, (), name)
    y_train = y[train]
    return Dataset(
        name=name,
        x_train=StoredRows(store, train, table),
        y_train=y_train if labels is None else labelled_subset(y_train, labels, seed),
        x_validation=np.asarray(StoredRows(store, held_out, table)),
        y_validation=y[held_out],
        x_test=np.asarray(StoredRows(store, tested, table)),
        y_test=y[tested],
        num_classes=len(class_names),
        class_names=class_names,
        table=table,
    )


def _split_files(
    y: np.ndarray, validation: float | int, test: float | int, seed: int, own_test: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gives the rows of training, validation and test; the last rows may be the files' own test."""
    if own_test:
        order = np.arange(len(y))
        rest, tested = order[:-own_test], order[-own_test:]
    else:
        rest, tested = _split(y, test, seed, "test")
    train, held_out = (rest[part] for part in _split(y[rest], validation, seed))
    return train, held_out, tested


def _check_share(argument: str, value: float | int) -> None:
    if not isinstance(value, float):
        check_integer(argument, value)
    elif not 0 <= value < 1:
        raise ValueError(
            f"Expected `{argument}` to be a fraction in [0, 1), or a number of images. "
            f"Received: {argument}={value}."
        )


def _scale(images: np.ndarray, largest: int) -> np.ndarray:
    scaled = images.astype(np.float32)
    scaled /= largest
    return scaled
