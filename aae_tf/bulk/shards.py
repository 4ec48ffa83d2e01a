"""Which rows a shard holds, and the files that it consists of."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

# Rows that are encoded again, at most, after a kill.
ROWS_PER_SHARD = 2**16


class Output(NamedTuple):
    """One array of the answer.

    Attributes:
        dtype: name of its dtype.
        shape: shape of a row.
    """

    dtype: str
    shape: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Shard:
    """Consecutive rows that appear at once.

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
        """Names the file of one of the arrays."""
        return f"{output}-{self.index:05d}-of-{self.count:05d}.npy"

    def batch_sizes(self, batch_size: int) -> list[int]:
        """Gives the size of each batch: a shard begins with a batch of its own."""
        starts = range(self.start, self.stop, batch_size)
        return [min(batch_size, self.stop - start) for start in starts]

    def is_finished(self, folder: Path, outputs: Mapping[str, Output]) -> bool:
        """Tells whether its files are there, whole."""
        rows = self.stop - self.start
        return all(
            _holds(folder / self.file_name(name), output.dtype, (rows, *output.shape))
            for name, output in outputs.items()
        )


def plan_shards(rows: int, count: int | None) -> list[Shard]:
    """Divides rows into shards, equal to within one row.

    Args:
        rows: number of rows, >= 1.
        count: number of shards; None for as many as give each at most `ROWS_PER_SHARD`.

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
    """Groups shards that follow one another, so that each group is read in one go."""
    groups: list[list[Shard]] = []
    for shard in shards:
        if groups and groups[-1][-1].stop == shard.start:
            groups[-1].append(shard)
        else:
            groups.append([shard])
    return groups


def _holds(path: Path, dtype: str, shape: tuple[int, ...]) -> bool:
    try:
        # Compares the size of the file with what its header says.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return array.dtype.name == dtype and array.shape == shape
