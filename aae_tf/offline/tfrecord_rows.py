"""`TFRecordRows`: reads rows of numbers from TFRecord files in batches."""

from __future__ import annotations

import contextlib
import os
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from aae_tf.offline.record_decoder import RecordDecoder

_GZIP = b"\x1f\x8b"
# Bytes that are read at a time. By default TensorFlow reads record by record.
_READ_BUFFER_BYTES = 2**20
# A record consists of its length, a checksum of the length, its content, and a checksum of that.
_LENGTH_BYTES = 8
_CHECKSUM_BYTES = 4


class TFRecordRows:
    """The records of several TFRecord files, one file after the other, as rows of numbers.

    Args:
        paths: TFRecord files, either all of them compressed with gzip or none.
        row_shape: shape of a row for the model; `is_layout_of` tells which stored shapes fit.
        feature: name of the feature, see `RecordDecoder`.

    Attributes:
        counts: number of rows of each file.
        dtype: NumPy dtype of the numbers, as they are stored.

    Raises:
        ValueError: if a file is no complete TFRecord file, there is no record, or the first
            record of a file is no such row.
    """

    def __init__(
        self, paths: Sequence[Path], row_shape: tuple[int, ...], feature: str | None = None
    ) -> None:
        self.paths = paths
        self._compression = _find_compression(paths)
        count = self._count_compressed if self._compression else _count_records
        self.counts = [count(path) for path in paths]
        filled = [path for path, count in zip(paths, self.counts, strict=True) if count]
        if not filled:
            raise ValueError(f"Expected `inputs` to hold rows. Received: {paths[0]}, empty.")
        firsts = [self._read_first(path) for path in filled]
        with _name_in_errors(filled[0]):
            self._decoder = RecordDecoder(firsts[0], row_shape, feature)
        decoded = iter(
            tf.data.Dataset.from_tensor_slices(firsts).batch(1).map(self._decoder.decode)
        )
        for path in filled:
            with _name_in_errors(path):
                next(decoded)
        self.dtype = np.dtype(self._decoder.dtype.as_numpy_dtype)

    def batches(self, start: int, sizes: Sequence[int]) -> Iterator[np.ndarray]:
        """Reads batches of given sizes, beginning at a given row.

        Args:
            start: number of the first row, counted over all files.
            sizes: number of rows of each batch.

        Yields:
            Arrays [size, *row_shape] of `dtype`, read-only.

        Raises:
            ValueError: if a record is damaged, or of another kind than the first.
        """
        first, skipped = 0, start
        while skipped >= self.counts[first]:
            skipped -= self.counts[first]
            first += 1
        # Batches are cut while records are bytes, so that each batch is decoded in one pass.
        batches = (
            self._records(self.paths[first:])
            .skip(skipped)
            .take(sum(sizes))
            .batch(max(sizes))
            .rebatch(list(sizes))
            # Two batches at a time; by default tf.data decodes as many as there are cores.
            .map(self._decoder.decode, num_parallel_calls=2, deterministic=True)
            .prefetch(1)
        )
        iterator = iter(batches)
        for size in sizes:
            try:
                yield next(iterator).numpy()
            except tf.errors.OpError as error:
                raise ValueError(
                    "Expected `inputs` to be whole, and each record to be of the first one's kind. "
                    f"Received: rows {start} to {start + size - 1}, counted over "
                    f"{len(self.paths)} files: {_error_text(error)}"
                ) from error
            start += size

    def _records(self, paths: Sequence[Path]) -> tf.data.Dataset:
        names = [os.fspath(path) for path in paths]
        return tf.data.TFRecordDataset(names, self._compression, _READ_BUFFER_BYTES)

    def _read_first(self, path: Path) -> bytes:
        with _name_in_errors(path):
            return next(iter(self._records([path]).take(1))).numpy()

    def _count_compressed(self, path: Path) -> int:
        with _name_in_errors(path):
            count = (
                self._records([path])
                .batch(1024)
                .reduce(tf.constant(0, tf.int64), lambda sum, batch: sum + tf.size(batch, tf.int64))
            )
        return int(count)


def _find_compression(paths: Sequence[Path]) -> str:
    """Returns TensorFlow's name of the compression that all files have."""
    kinds = []
    for path in paths:
        with path.open("rb") as file:
            kinds.append(file.read(len(_GZIP)) == _GZIP)
    if len(set(kinds)) > 1:
        raise ValueError(
            "Expected `inputs` to be compressed all or none. "
            f"Received: {paths[kinds.index(True)]}, {paths[kinds.index(False)]}."
        )
    return "GZIP" if kinds[0] else ""


def _count_records(path: Path) -> int:
    """Counts the records of an uncompressed file by their lengths alone."""
    count, position = 0, 0
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        while position + _LENGTH_BYTES <= size:
            (length,) = struct.unpack("<Q", os.pread(file.fileno(), _LENGTH_BYTES, position))
            position += _LENGTH_BYTES + _CHECKSUM_BYTES + length + _CHECKSUM_BYTES
            count += 1
    if position != size:
        raise ValueError(
            "Expected `inputs` to be whole TFRecord files, or .npy files. "
            f"Received: {path}, of {size} bytes, whose record {count} would end at {position}."
        )
    return count


@contextlib.contextmanager
def _name_in_errors(path: Path) -> Iterator[None]:
    """Adds the file's name to errors of the block."""
    try:
        yield
    except (ValueError, tf.errors.OpError) as error:
        text = _error_text(error) if isinstance(error, tf.errors.OpError) else str(error)
        raise ValueError(
            f"Expected `inputs` to be TFRecord files of one kind of record. Received: {path}: "
            f"{text}"
        ) from error


def _error_text(error: tf.errors.OpError) -> str:
    """Returns the message of an error without the names of operations around it."""
    line = error.message.split("\n")[0].partition(" [Op:")[0]
    return re.sub(r"^.*(\}\} |transformation with iterator: \S+ )", "", line)
