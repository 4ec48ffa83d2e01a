"""Data of one's own: tables in CSV and Parquet files, arrays of NumPy, folders of images."""

from __future__ import annotations

import dataclasses
import glob
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aae_tf.checks import import_extra
from aae_tf.column_arrays import as_column, is_missing
from aae_tf.data.check_arrays import has_8_bit_range
from aae_tf.data.table_parts import TABLES, read_parts
from aae_tf.tables.column import Column
from aae_tf.tables.inference import check_names
from aae_tf.tables.schema import TableSchema

_ARRAYS = (".npy", ".npz")
_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
_WHITE = 255.0


@dataclasses.dataclass(frozen=True)
class Rows:
    """The rows of files, before they are divided into splits.

    Attributes:
        x: columns by name, or an array [n, ...].
        y: int64 [n], -1 where the label is unknown.
        class_names: the name of each class; empty without labels.
        test: number of rows at the end that are the files' own test split; 0 if they have none.
    """

    x: Any
    y: np.ndarray
    class_names: tuple[str, ...]
    test: int = 0


def is_path(name: str | os.PathLike[str]) -> bool:
    """Tells whether the name of a data set is that of a file, of a folder, or a pattern of files.

    Example:

    >>> is_path("mnist"), is_path("sales-*.csv"), is_path("./photos")
    (False, True, True)
    """
    text = os.fspath(name)
    is_file = text.endswith((*TABLES, *_ARRAYS))
    return is_file or (os.sep in text and Path(text).exists()) or text.startswith((".", os.sep))


def read_rows(path: str | os.PathLike[str], label_column: str | None = None) -> Rows:
    """Reads all rows of files.

    Args:
        path: a CSV or Parquet file, or a TFRecord file of Examples, see `read_parts`; a `.npy` file
            of an array [n, ...]; a `.npz` file with the arrays x and, for labels, y, or x_train,
            y_train, x_test and y_test; a pattern such as "sales-*.csv", for files of one header; or
            a folder with a folder of images for each class.
        label_column: name of the column of a table that holds labels.

    Raises:
        FileNotFoundError: if there is no such file.
        ImportError: if a table is read, and the extra `data` is not installed.
        ValueError: if a file cannot be read or is of another form; the message names it.
    """
    text = os.fspath(path)
    if Path(text).is_dir():
        _refuse_label_column(label_column, text)
        return _read_images(text)
    paths = _find_files(text)
    if paths[0].endswith(TABLES):
        return _read_tables(paths, label_column)
    _refuse_label_column(label_column, text)
    if len(paths) > 1 or not paths[0].endswith(_ARRAYS):
        raise ValueError(
            "Expected files that end in .csv or .parquet, one that ends in .npy or .npz, or a "
            f"folder of images. Received: {text}."
        )
    return _read_array(paths[0])


def find_tables(path: str | os.PathLike[str]) -> list[str]:
    """Finds the CSV or Parquet files of a path or a pattern; none where it is for other files.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    text = os.fspath(path)
    paths = [] if Path(text).is_dir() else _find_files(text)
    return paths if paths and paths[0].endswith(TABLES) else []


def _find_files(text: str) -> list[str]:
    is_pattern = glob.has_magic(text)
    paths = sorted(glob.glob(text)) if is_pattern else [text]  # noqa: PTH207  (an absolute pattern)
    if not paths or not Path(paths[0]).is_file():
        raise FileNotFoundError(f"Expected `name` to be a file or a folder. Received: {text}.")
    return paths


def infer_schema(
    x: Any,
    train: np.ndarray,
    kinds: Mapping[str, str],
    exclude: Sequence[str],
    source: str,
) -> TableSchema:
    """Infers kinds from all rows, whose faults are named by row, and the rest from the train split.

    Args:
        x: columns by name, a dict or a `TableStore`; one is read at a time.
        train: numbers of the rows of the train split.
        kinds: see `TableSchema.infer`.
        exclude: see `TableSchema.infer`.
        source: name of the file, for messages.

    Raises:
        ValueError: see `TableSchema.infer`.
    """
    check_names(list(x), kinds, exclude, source)
    columns: list[Column] = []
    for name in x:
        if name not in exclude:
            whole, given = x[name], {name: kinds[name]} if name in kinds else {}
            kind = TableSchema.infer({name: whole}, given, source=source).columns[0].kind
            columns += TableSchema.infer({name: whole[train]}, {name: kind}, source=source).columns
    return TableSchema(tuple(columns))


def number_labels(values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers the classes of labels of any type, in their order.

    Returns:
        int64 [n], -1 where a label is missing, and the names of the classes.

    Example:

    >>> number_labels(np.array(["dog", None, "cat"], object))
    (array([ 1, -1,  0]), ('cat', 'dog'))
    """
    known = [value for value in values.tolist() if not is_missing(value)]
    is_text = any(isinstance(value, str) for value in known)
    classes = sorted({str(value) if is_text else value for value in known})
    ids = {value: number for number, value in enumerate(classes)}
    y = np.array(
        [
            -1 if is_missing(value) else ids[str(value) if is_text else value]
            for value in values.tolist()
        ],
        np.int64,
    )
    names = (
        str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
        for value in classes
    )
    return y, tuple(names)


def missing_label_column(label_column: str, names: Iterable[str], place: str) -> str:
    """Returns the message about labels that no column holds."""
    return (
        f"Expected `label_column` to be a column of {place}: "
        f"{', '.join(map(repr, names))}. Received: label_column={label_column!r}."
    )


def check_classes(class_names: Sequence[str], label_column: str, place: str) -> None:
    """Checks that there are two classes or more.

    Raises:
        ValueError: if there are fewer.
    """
    if len(class_names) < 2:
        raise ValueError(
            f"Expected column {label_column!r} of {place} to hold labels of two classes or "
            f"more. Received: {len(class_names)}."
        )


def _read_tables(paths: Sequence[str], label_column: str | None) -> Rows:
    pandas = import_extra("pandas", "data", "data.load of a table")
    frames: list[Any] = []
    for path in paths:
        try:
            if path.endswith(".csv"):
                # A byte order mark, which some programs write first, is no part of the header.
                frame = pandas.read_csv(path, encoding="utf-8-sig", low_memory=False)
            elif path.endswith(".parquet"):
                frame = pandas.read_parquet(path)
            else:
                frame = pandas.concat([pandas.DataFrame(), *read_parts(path)], ignore_index=True)
        # What is damaged surfaces as an error of the parser, of Arrow, or of the encoding.
        except (ValueError, OSError) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise ValueError(f"Expected {path} to be a table. Received: {reason}.") from error
        if frames and list(frame.columns) != list(frames[0].columns):
            raise ValueError(
                f"Expected {path} to have the header of {paths[0]}. "
                f"Received: {list(map(str, frame.columns))}."
            )
        frames.append(frame)
    frame = frames[0] if len(frames) == 1 else pandas.concat(frames, ignore_index=True)
    frame.columns = list(map(str, frame.columns))
    place = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    if not len(frame):
        raise ValueError(f"Expected {place} to have rows. Received: a header alone.")
    columns = {
        name: as_column(frame[name], f"column {name!r} of {place}") for name in frame.columns
    }
    y = np.full(len(frame), -1)
    class_names: tuple[str, ...] = ()
    if label_column is not None:
        if label_column not in columns:
            raise ValueError(missing_label_column(label_column, columns, place))
        y, class_names = number_labels(columns.pop(label_column))
        check_classes(class_names, label_column, place)
    return Rows(columns, y, class_names)


def _read_array(path: str) -> Rows:
    try:
        content = np.load(path, allow_pickle=False)
        arrays = dict(content) if path.endswith(".npz") else {"x": content}
    except (ValueError, OSError, EOFError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ValueError(f"Expected {path} to hold arrays of NumPy. Received: {reason}.") from error
    test = 0
    if {"x_train", "x_test"} <= set(arrays):
        test = len(arrays["x_test"])
        arrays = {
            name: np.concatenate([arrays[f"{name}_train"], arrays[f"{name}_test"]])
            for name in ("x", "y")
            if f"{name}_train" in arrays
        }
    if "x" not in arrays or arrays["x"].dtype.kind not in "biuf" or arrays["x"].ndim < 2:
        raise ValueError(
            f"Expected {path} to hold an array x [rows, ...] of numbers, and y [rows] for labels. "
            f"Received: {', '.join(f'{name} {list(a.shape)}' for name, a in arrays.items())}."
        )
    x = arrays["x"]
    is_8_bit = x.dtype == np.uint8 or has_8_bit_range(x)
    x = x.astype(np.float32) / (_WHITE if is_8_bit and x.ndim > 2 else 1.0)
    # Images of one channel.
    x = x[..., np.newaxis] if x.ndim == 3 else x
    if "y" not in arrays:
        return Rows(x, np.full(len(x), -1), (), test)
    if arrays["y"].shape != (len(x),):
        raise ValueError(
            f"Expected {path} to hold one label for each row. "
            f"Received: x {list(x.shape)}, y {list(arrays['y'].shape)}."
        )
    labels = arrays["y"].astype(object)
    labels[labels == -1] = None
    return Rows(x, *number_labels(labels), test)


def _read_images(folder: str) -> Rows:
    """Reads a folder of images by class; all get the size and the channels of the first."""
    import keras
    import tensorflow as tf

    # Keras leaves out hidden folders, too.
    folders = sorted(path for path in Path(folder).iterdir() if path.is_dir())
    files = {
        path.name: [each for each in sorted(path.rglob("*")) if each.suffix.lower() in _IMAGES]
        for path in folders
        if not path.name.startswith(".")
    }
    names, empty = tuple(files), [name for name in files if not files[name]]
    if not names or empty:
        raise ValueError(
            f"Expected {folder} to hold a folder of images for each class. Received: "
            f"{len(names)} folders, without an image: {', '.join(map(repr, empty)) or 'none'}."
        )
    first = files[names[0]][0]
    try:
        height, width, channels = tf.io.decode_image(
            first.read_bytes(), expand_animations=False
        ).shape
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(f"Expected {first} to be an image. Received: another file.") from error
    images = keras.utils.image_dataset_from_directory(
        folder,
        class_names=list(names),
        color_mode="grayscale" if channels == 1 else "rgb",
        image_size=(height, width),
        batch_size=None,
        shuffle=False,
        verbose=False,
    )
    try:
        x, y = zip(*images.as_numpy_iterator(), strict=True)
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(
            f"Expected {folder} to hold images. Received: {str(error).partition(chr(10))[0]}."
        ) from error
    return Rows(np.stack(x).astype(np.float32) / _WHITE, np.array(y, np.int64), names)


def _refuse_label_column(label_column: str | None, path: str) -> None:
    if label_column is not None:
        raise ValueError(
            "Expected `label_column` for a table, in a CSV or Parquet file. "
            f"Received: label_column={label_column!r}, {path}."
        )
