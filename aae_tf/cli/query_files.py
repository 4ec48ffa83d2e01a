"""What `aae-tf query` reads and writes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from aae_tf.cli.errors import CommandError, bad_input
from aae_tf.cli.run_directory import write_file

SUFFIXES = (".npy", ".npz", ".png")
_MAX_DRAWN = 10_000


def read_array(option: str, path: Path) -> np.ndarray:
    """Reads numbers [rows, ...] from a .npy file; nothing in it is executed.

    Args:
        option: the option that named the file, for messages.
        path: the file.

    Raises:
        CommandError: if it cannot be read, is no such file, or holds no rows of numbers.
    """
    with bad_input(OSError):
        file = path.open("rb")
    with file:
        try:
            array = np.lib.format.read_array(file, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise CommandError(
                f"Expected {option} to be a .npy file. Received: {path} ({error})."
            ) from error
    if array.dtype.kind not in "fiub" or array.ndim == 0 or len(array) == 0:
        raise CommandError(
            f"Expected {option} to hold rows of numbers. Received: {path} of shape {array.shape} "
            f"and dtype {array.dtype}."
        )
    return array


def parse_seeds(text: str) -> np.ndarray:
    """Reads seeds, int64: "START:STOP", without STOP, or integers with commas between them.

    Raises:
        CommandError: if the text is neither, or names no seed.

    Example:

    >>> parse_seeds("2:5"), parse_seeds("7,-1")
    (array([2, 3, 4]), array([ 7, -1]))
    """
    start, colon, stop = text.partition(":")
    try:
        if colon:
            seeds = np.arange(int(start), int(stop), dtype=np.int64)
        else:
            seeds = np.array([int(seed) for seed in text.split(",")], np.int64)
    except (ValueError, OverflowError, MemoryError):
        seeds = np.empty(0, np.int64)
    if not len(seeds):
        raise CommandError(
            "Expected --seeds to be START:STOP, such as 0:16, or integers with commas between "
            f"them. Received: {text!r}."
        )
    return seeds


def check_output(path: Path, count: int) -> None:
    """Refuses a file that cannot be written, before anything is asked for.

    Args:
        path: the file.
        count: rows that it is to hold.

    Raises:
        CommandError: if its name ends otherwise than in `SUFFIXES`, or these are too many rows
            for a picture.
    """
    if path.suffix not in SUFFIXES:
        raise CommandError(f"Expected --output to end in .npy, .npz or .png. Received: {path}.")
    if path.suffix == ".png" and count > _MAX_DRAWN:
        raise CommandError(
            f"Expected at most {_MAX_DRAWN} rows for a picture. Received: {count} rows."
        )


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], main: str) -> None:
    """Writes an answer, never to be seen half-written.

    Args:
        path: FILE.npz gets every array by its name, FILE.npy the main one, and FILE.png a grid of
            the main one, images.
        arrays: the answer.
        main: name of the main array.

    Raises:
        CommandError: if it cannot be written, or is to be drawn and holds no images.
    """
    buffer = io.BytesIO()
    if path.suffix == ".npz":
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
    elif path.suffix == ".npy":
        np.save(buffer, arrays[main])
    else:
        from aae_tf import evaluation

        with bad_input(ValueError, TypeError):
            evaluation.sample_grid(arrays[main]).savefig(buffer)
    write_file(path, buffer.getvalue())
