"""Shards: which rows each holds, the names of its files, and `ShardWriter`, which writes them."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

import numpy as np

from aae_tf.files import PARTIAL, naming_file, sync

# A kill loses at most the rows of one shard.
ROWS_PER_SHARD = 2**16


class Output(NamedTuple):
    """One array that a signature gives.

    Attributes:
        dtype: name of its dtype.
        shape: shape of a row.
    """

    dtype: str
    shape: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Shard:
    """Consecutive rows, written to files that appear when all of them are there.

    Args:
        index: number of the shard, from 0.
        count: number of all shards.
        start: number of its first row.
        stop: number of the row after its last.
    """

    index: int
    count: int
    start: int
    stop: int

    def file_name(self, output: str) -> str:
        """Returns the file's name of one of the arrays."""
        return f"{output}-{self.index:05d}-of-{self.count:05d}.npy"

    def batch_sizes(self, batch_size: int) -> list[int]:
        """Returns the size of each batch; batches do not reach across shards."""
        starts = range(self.start, self.stop, batch_size)
        return [min(batch_size, self.stop - start) for start in starts]

    def is_finished(self, folder: Path, outputs: Mapping[str, Output]) -> bool:
        """Tells whether all its files exist and are complete."""
        rows = self.stop - self.start
        return all(
            _is_complete(folder / self.file_name(name), output.dtype, (rows, *output.shape))
            for name, output in outputs.items()
        )


class ShardWriter:
    """Writes the files of a shard under temporary names, and renames them at the end of the block.

    Rows go to the disk as they come: their number is known, so that the header is written first.
    An error in the block removes the files; a killed process leaves them behind, under names that
    begin with a dot.

    Args:
        folder: directory of the shards.
        shard: the shard to write.
        outputs: dtype and row shape of each array, by name.
    """

    def __init__(self, folder: Path, shard: Shard, outputs: Mapping[str, Output]) -> None:
        self.folder = folder
        self.shard = shard
        self._outputs = outputs
        self._files: dict[str, BinaryIO] = {}

    def write(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Appends rows to every array."""
        for name, file in self._files.items():
            with naming_file(self._partial_path(name)):
                file.write(np.ascontiguousarray(arrays[name]).data)

    def __enter__(self) -> ShardWriter:
        rows = self.shard.stop - self.shard.start
        for name, output in self._outputs.items():
            self._files[name] = self._partial_path(name).open("xb")
            header = {
                "descr": np.lib.format.dtype_to_descr(np.dtype(output.dtype)),
                "fortran_order": False,
                "shape": (rows, *output.shape),
            }
            with naming_file(self._partial_path(name)):
                np.lib.format.write_array_header_1_0(self._files[name], header)
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.ExitStack() as stack:
            for name in self._files:
                stack.callback(self._partial_path(name).unlink, missing_ok=True)
                stack.callback(self._close, name)
            if error is None:
                self._rename_files()

    def _rename_files(self) -> None:
        for name in self._files:
            self._close(name)
            sync(self._partial_path(name))
        for name in self._files:
            self._partial_path(name).rename(self.folder / self.shard.file_name(name))
        sync(self.folder)

    def _close(self, name: str) -> None:
        with naming_file(self._partial_path(name)):
            self._files[name].close()

    def _partial_path(self, name: str) -> Path:
        return self.folder / f".{self.shard.file_name(name)}{PARTIAL}"


def plan_shards(rows: int, count: int | None) -> list[Shard]:
    """Divides rows into shards, equal to within one row.

    Args:
        rows: number of rows, >= 1.
        count: number of shards; None for the fewest of at most `ROWS_PER_SHARD` rows each.

    Raises:
        ValueError: if there would be shards without rows.

    Example:

    >>> [(shard.start, shard.stop) for shard in plan_shards(7, 3)]
    [(0, 2), (2, 4), (4, 7)]
    """
    if count is None:
        count = math.ceil(rows / ROWS_PER_SHARD)
    if count > rows:
        raise ValueError(
            f"Expected `shards` to be at most the number of rows, {rows}. Received: shards={count}."
        )
    limits = [rows * i // count for i in range(count + 1)]
    return [Shard(i, count, limits[i], limits[i + 1]) for i in range(count)]


def group_consecutive(shards: Sequence[Shard]) -> list[list[Shard]]:
    """Groups shards that follow one another; each group is read as one stream."""
    groups: list[list[Shard]] = []
    for shard in shards:
        if groups and groups[-1][-1].stop == shard.start:
            groups[-1].append(shard)
        else:
            groups.append([shard])
    return groups


def _is_complete(path: Path, dtype: str, shape: tuple[int, ...]) -> bool:
    try:
        # np.load compares the size of the file with its header.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return array.dtype.name == dtype and array.shape == shape
