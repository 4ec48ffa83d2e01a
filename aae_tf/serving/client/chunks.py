"""Many rows as several requests, and the answers put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from aae_tf.checks import check_dimension
from aae_tf.serving.client.calls import Arrays

# Below 1000, the largest batch that TensorFlow Serving's batching takes by default.
_MAX_ROWS = 512
# As JSON, a float32 takes up to 6 times its 4 bytes: 24 MiB, a quarter of what `ModelServer`
# accepts.
_MAX_BYTES = 4 * 2**20


class Chunk(NamedTuple):
    """Rows of one request.

    Attributes:
        start: The first row.
        stop: The row after the last.
        inputs: Those rows of each input.
    """

    start: int
    stop: int
    inputs: Arrays


def default_batch_size(inputs: Mapping[str, np.ndarray]) -> int:
    """Returns how many rows a request gets by default: 512, or 4 MiB if that is less.

    Args:
        inputs: Arrays [batch, ...] by name, at least one row.

    Returns:
        A positive number of rows.

    Example:

        >>> default_batch_size({"inputs": np.zeros([1000, 256, 256], np.float32)})
        16
    """
    row_bytes = sum(array[:1].nbytes for array in inputs.values())
    return max(1, min(_MAX_ROWS, _MAX_BYTES // max(1, row_bytes)))


def split(inputs: Mapping[str, np.ndarray], batch_size: int) -> list[Chunk]:
    """Cuts arrays into chunks of rows; these are views.

    Args:
        inputs: Arrays [batch, ...] by name, all of one batch.
        batch_size: Rows in a chunk, positive; the last may have fewer.

    Returns:
        Chunks in order; one, of no rows, where there are none.

    Raises:
        ValueError: `batch_size` is not positive, or the arrays do not have the same rows.

    Example:

        >>> [(chunk.start, chunk.stop) for chunk in split({"x": np.zeros(5)}, 2)]
        [(0, 2), (2, 4), (4, 5)]
    """
    check_dimension("batch_size", batch_size)
    shapes = {name: array.shape for name, array in inputs.items()}
    sizes = {shape[:1] for shape in shapes.values()}
    if len(sizes) != 1 or () in sizes:
        raise ValueError(
            "Expected `inputs` to have the same number of rows, to send them in batches. "
            f"Received: inputs of shapes {shapes}."
        )
    ((rows,),) = sizes
    chunks = []
    for start in range(0, max(rows, 1), batch_size):
        stop = min(start + batch_size, rows)
        chunk = {name: array[start:stop] for name, array in inputs.items()}
        chunks.append(Chunk(start, stop, chunk))
    return chunks


def join(chunks: Sequence[Chunk], answers: Sequence[Arrays]) -> Arrays:
    """Puts the answers to chunks together.

    Args:
        chunks: The requests.
        answers: Arrays [rows of the chunk, ...] by output name, one answer per chunk.

    Returns:
        Arrays [batch, ...] by output name.

    Raises:
        ValueError: an output has not a row for each row of its chunk, so that the signature
            cannot be asked in batches.
    """
    for chunk, outputs in zip(chunks, answers, strict=True):
        for name, output in outputs.items():
            if output.shape[:1] != (chunk.stop - chunk.start,):
                raise ValueError(
                    "Expected every output to have a row for each row of the inputs, to ask "
                    f"in batches. Received: {name} of shape {output.shape} for rows "
                    f"{chunk.start} to {chunk.stop - 1}."
                )
    return {
        name: np.concatenate([outputs[name] for outputs in answers], axis=0) for name in answers[0]
    }
