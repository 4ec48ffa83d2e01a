"""Who is at work in a directory: a lock that dies with its process."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def lock_directory(path: Path, wait: bool = True) -> Iterator[bool]:
    """Holds a directory's lock, which the kernel releases when the process ends, however it ends.

    It is advisory, an flock on the directory itself: no file is left, whoever does not ask is
    not stopped, and it follows the directory when that is renamed.

    Args:
        path: directory that exists.
        wait: whether to wait for another holder.

    Yields:
        Whether the lock is held: not if another has it and `wait` is False, nor where the file
        system or the platform has no such locks.
    """
    if fcntl is None:
        yield False
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield _lock(descriptor, wait)
    finally:
        os.close(descriptor)


def has_locks(directory: Path) -> bool:
    """Tells whether locks work there at all: on some platforms and file systems they do not."""
    with tempfile.TemporaryDirectory(dir=directory) as probe, lock_directory(Path(probe)) as locked:
        return locked


def _lock(descriptor: int, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True
