"""Rows of .npy files, read piece by piece."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from aae_tf.bulk.row_shape import is_layout_of

MAGIC = b"\x93NUMPY"


class NpyRows:
    """The rows of several .npy files, one file after the other.

    The files are read, not mapped: the pages of a mapping would count as memory of the process
    until the system takes them back, and a file that another process shortens would kill this one
    by a signal instead of raising an error.

    Args:
        paths: files of numbers [rows, ...], of one dtype.
        row_shape: shape of a row for the model; see `is_layout_of` for what may be stored.

    Attributes:
        counts: number of rows of each file.
        dtype: dtype of all of them.

    Raises:
        ValueError: if a file is no whole .npy file of such rows, the dtypes differ, or there is no
            row.
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
        """Reads batches of given sizes from a row on.

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
                    _fill(batch[filled : filled + taken], file)
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


def _fill(rows: np.ndarray, file: BinaryIO) -> None:
    content = rows.reshape(-1).view(np.uint8)
    if file.readinto(content) != len(content):  # type: ignore[attr-defined]
        raise ValueError(
            f"Expected {file.name} to stay as it is while it is read. "
            "Received: a file that has become shorter."
        )


class _Layout(NamedTuple):
    """Where the numbers of a .npy file are."""

    rows: int
    dtype: np.dtype
    offset: int


def _read_layout(path: Path, row_shape: tuple[int, ...]) -> _Layout:
    try:
        # Reads the header alone, and compares it with the size of the file.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
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
