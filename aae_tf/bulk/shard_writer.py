"""Writes the files of a shard, row after row."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from aae_tf.bulk.shards import Output, Shard
from aae_tf.files import PARTIAL, sync


class ShardWriter:
    """Writes arrays under other names, and renames them when all rows are there.

    Nothing is kept in memory: the number of rows is known, so that the header comes first.
    Leaving the block by an error removes what was written; a killed process leaves it behind,
    under names that begin with a dot.

    Args:
        folder: directory of the shards.
        shard: what is written.
        outputs: the arrays, by name.
    """

    def __init__(self, folder: Path, shard: Shard, outputs: Mapping[str, Output]) -> None:
        self.folder = folder
        self.shard = shard
        self._outputs = outputs
        self._files: dict[str, BinaryIO] = {}

    def write(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Appends rows to every array."""
        for name, file in self._files.items():
            file.write(np.ascontiguousarray(arrays[name]).data)

    def __enter__(self) -> ShardWriter:
        rows = self.shard.stop - self.shard.start
        for name, output in self._outputs.items():
            self._files[name] = self._partial(name).open("wb")
            header = {
                "descr": np.lib.format.dtype_to_descr(np.dtype(output.dtype)),
                "fortran_order": False,
                "shape": (rows, *output.shape),
            }
            np.lib.format.write_array_header_1_0(self._files[name], header)
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.ExitStack() as stack:
            for name, file in self._files.items():
                stack.callback(self._partial(name).unlink, missing_ok=True)
                stack.callback(file.close)
            if error is None:
                self._publish()

    def _publish(self) -> None:
        for name, file in self._files.items():
            file.close()
            sync(self._partial(name))
        for name in self._files:
            self._partial(name).rename(self.folder / self.shard.file_name(name))
        sync(self.folder)

    def _partial(self, name: str) -> Path:
        return self.folder / f".{self.shard.file_name(name)}{PARTIAL}"
