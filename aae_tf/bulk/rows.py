"""Rows of numbers in files, whatever their format."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from aae_tf.bulk.npy_rows import MAGIC, NpyRows


class Rows(Protocol):
    """The rows of several files, one file after the other.

    Attributes:
        paths: the files.
        counts: number of rows of each file.
        dtype: dtype of the numbers, as they are stored.
    """

    paths: Sequence[Path]
    counts: list[int]
    dtype: np.dtype

    def batches(self, start: int, sizes: Sequence[int]) -> Iterator[np.ndarray]:
        """Reads batches of given sizes, from a row on."""


def find_files(inputs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Gives the files that paths and patterns stand for, those of one pattern sorted by name.

    Raises:
        ValueError: if there are none for one of them, or something is no file.
        TypeError: if something is no path.
    """
    found: list[Path] = []
    for given in [inputs] if isinstance(inputs, str | os.PathLike) else inputs:
        if not isinstance(given, str | os.PathLike):
            raise TypeError(
                f"Expected `inputs` to be paths. Received: one of type {type(given).__name__}."
            )
        pattern = os.fspath(given)
        path = Path(pattern)
        # A name with brackets is first of all a name.
        paths = [path] if path.exists() else sorted(map(Path, glob.glob(pattern)))  # noqa: PTH207
        if not paths or not all(path.is_file() for path in paths):
            raise ValueError(
                f"Expected `inputs` to be files or patterns that match some. Received: {pattern!r}."
            )
        found += paths
    if not found:
        raise ValueError("Expected `inputs` to name a file. Received: inputs=[].")
    return found


def open_rows(paths: Sequence[Path], row_shape: tuple[int, ...], feature: str | None) -> Rows:
    """Looks at files, and gives their rows.

    Args:
        paths: .npy files or TFRecord files, told apart by their first bytes.
        row_shape: shape of a row for the model.
        feature: of TFRecord files, see `RecordDecoder`.

    Raises:
        ValueError: if the files are of both kinds, or not what the model takes.
    """
    kinds = [_is_npy(path) for path in paths]
    if len(set(kinds)) > 1:
        raise ValueError(
            "Expected `inputs` to be of one format. "
            f"Received: {paths[kinds.index(True)]}, {paths[kinds.index(False)]}."
        )
    if not kinds[0]:
        # Imported where it is needed: it brings TensorFlow.
        from aae_tf.bulk.tfrecord_rows import TFRecordRows

        return TFRecordRows(paths, row_shape, feature)
    if feature is not None:
        raise ValueError(
            f"Expected `feature` to be left out for .npy files. Received: feature={feature!r}."
        )
    return NpyRows(paths, row_shape)


def name_row(rows: Rows, row: int) -> str:
    """Says where a row is: the number in its file, from 0, and the file."""
    file = 0
    while row >= rows.counts[file]:
        row -= rows.counts[file]
        file += 1
    return f"row {row} of {rows.paths[file]}"


def _is_npy(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC
