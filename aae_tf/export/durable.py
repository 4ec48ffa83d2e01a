"""Directories that are on the disk when a function returns, not in the memory of the system."""

import errno
import os
from pathlib import Path


def make_directory(path: Path) -> None:
    """Makes a directory and its parents; what is there already is left as it is."""
    if not path.exists():
        make_directory(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)


def sync_tree(path: Path) -> None:
    """Writes a directory with all that is in it to the disk, the innermost first."""
    for child in path.iterdir():
        if child.is_dir():
            sync_tree(child)
        else:
            sync(child)
    sync(path)


def sync(path: Path) -> None:
    """Writes a file, or the entries of a directory, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems have no such call for directories, and no need of it.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)
