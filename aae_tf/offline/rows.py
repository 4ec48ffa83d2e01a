"""Rows of numbers in files: opens .npy and TFRecord files, and reads .npy files in batches."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import numpy as np

from aae_tf.offline.record_decoder import is_layout_of
from aae_tf.offline.tfrecord_rows import TFRecordRows

_NPY_MAGIC = b"\x93NUMPY"


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
        """Reads batches of given sizes, beginning at a given row."""


class NpyRows:
    """The rows of several .npy files, one file after the other.

    The files are read, not mapped into memory: mapped pages would count as memory of the process,
    and a file that another process shortens would kill this one by a signal instead of raising an
    error.

    Args:
        paths: files of numbers [rows, ...], of one dtype.
        row_shape: shape of a row for the model; `is_layout_of` tells which stored shapes fit.

    Attributes:
        counts: number of rows of each file.
        dtype: dtype of all of them.

    Raises:
        ValueError: if a file is no complete .npy file of such rows, the dtypes differ, or there
            is no row.
    """

    def __init__(self, paths: Sequence[Path], row_shape: tuple[int, ...]) -> None:
        self.paths = paths
        self.row_shape = row_shape
        layouts = [_read_layout(path, row_shape) for path in paths]
        self.counts = [layout.rows for layout in layouts]
        self.dtype = layouts[0].dtype
        if not any(self.counts):
            raise ValueError(f"Expected `inputs` to hold rows. Received: {paths[0]}, empty.")
        for path, layout in zip(paths, layouts, strict=True):
            if layout.dtype != self.dtype:
                raise ValueError(
                    "Expected `inputs` to be files of one dtype. "
                    f"Received: {paths[0]} of {self.dtype}, {path} of {layout.dtype}."
                )
        self._offsets = [layout.offset for layout in layouts]
        self._row_bytes = self.dtype.itemsize * int(np.prod(row_shape, dtype=np.int64))

    def batches(self, start: int, sizes: Sequence[int]) -> Iterator[np.ndarray]:
        """Reads batches of given sizes, beginning at a given row.

        Args:
            start: number of the first row, counted over all files.
            sizes: number of rows of each batch.

        Yields:
            Arrays [size, *row_shape] of the files' own dtype, each of them new.

        Raises:
            ValueError: if a file has become shorter.
        """
        with contextlib.closing(self._open_files(start)) as files:
            left = 0
            for size in sizes:
                batch = np.empty((size, *self.row_shape), self.dtype)
                filled = 0
                while filled < size:
                    if not left:
                        file, left = next(files)
                    taken = min(left, size - filled)
                    _read_into(batch[filled : filled + taken], file)
                    filled, left = filled + taken, left - taken
                yield batch

    def _open_files(self, start: int) -> Generator[tuple[BinaryIO, int], None, None]:
        """Yields each file, open at its first row, with the number of rows that follow."""
        for path, count, offset in zip(self.paths, self.counts, self._offsets, strict=True):
            skipped = min(start, count)
            start -= skipped
            if skipped < count:
                with path.open("rb") as file:
                    file.seek(offset + skipped * self._row_bytes)
                    yield file, count - skipped


def find_files(inputs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Returns the files that paths and patterns name, those of one pattern sorted by name.

    Raises:
        ValueError: if a path or pattern names no file, or a directory.
        TypeError: if an input is no path.
    """
    found: list[Path] = []
    for given in [inputs] if isinstance(inputs, str | os.PathLike) else inputs:
        if not isinstance(given, str | os.PathLike):
            raise TypeError(
                f"Expected `inputs` to be paths. Received: one of type {type(given).__name__}."
            )
        pattern = os.fspath(given)
        path = Path(pattern)
        # A file whose name has brackets is not a pattern.
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
    """Opens files of one format as rows.

    Args:
        paths: .npy files or TFRecord files, told apart by their first bytes.
        row_shape: shape of a row for the model.
        feature: name of the feature in TFRecord files, see `RecordDecoder`.

    Raises:
        ValueError: if the files are of both formats, or their rows do not fit the model.
    """
    kinds = [_is_npy(path) for path in paths]
    if len(set(kinds)) > 1:
        raise ValueError(
            "Expected `inputs` to be of one format. "
            f"Received: {paths[kinds.index(True)]}, {paths[kinds.index(False)]}."
        )
    if not kinds[0]:
        return TFRecordRows(paths, row_shape, feature)
    if feature is not None:
        raise ValueError(
            f"Expected `feature` to be left out for .npy files. Received: feature={feature!r}."
        )
    return NpyRows(paths, row_shape)


def name_row(rows: Rows, row: int) -> str:
    """Names a row by its number in its file, counted from 0, and the file."""
    file = 0
    while row >= rows.counts[file]:
        row -= rows.counts[file]
        file += 1
    return f"row {row} of {rows.paths[file]}"


def _is_npy(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_NPY_MAGIC)) == _NPY_MAGIC


class _Layout(NamedTuple):
    """Number of rows, dtype and position of the first number of a .npy file."""

    rows: int
    dtype: np.dtype
    offset: int


def _read_into(rows: np.ndarray, file: BinaryIO) -> None:
    content = rows.reshape(-1).view(np.uint8)
    if file.readinto(content) != len(content):  # type: ignore[attr-defined]
        raise ValueError(
            f"Expected {file.name} to stay as it is while it is read. "
            "Received: a file that has become shorter."
        )


def _read_layout(path: Path, row_shape: tuple[int, ...]) -> _Layout:
    try:
        # np.load reads the header alone, and compares it with the size of the file.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError:
        raise
    # NumPy parses headers as Python and lets whatever that raises pass, TokenError for one.
    except Exception as error:
        raise ValueError(
            f"Expected `inputs` to be whole .npy files of numbers. Received: {path} ({error})."
        ) from error
    received = f"Received: {path} of shape {array.shape} and dtype {array.dtype}."
    if array.dtype.kind not in "fiub":
        raise ValueError(f"Expected `inputs` to hold numbers. {received}")
    if array.ndim == 0 or not is_layout_of(array.shape[1:], row_shape):
        raise ValueError(
            f"Expected `inputs` to hold rows that the model takes, of shape {row_shape}. {received}"
        )
    if not array.flags.c_contiguous:
        raise ValueError(
            "Expected `inputs` to be stored row by row; np.save(file, np.ascontiguousarray(x)) "
            f"does. {received[:-1]}, in Fortran's order."
        )
    return _Layout(len(array), array.dtype, array.offset)
