"""Files that survive a crash: writes that reach the disk, atomic replacement, directory locks."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# The suffix of a file that is being written; its name begins with a dot.
PARTIAL = ".partial"


def make_directory(path: Path) -> None:
    """Makes a directory and its missing parents, and syncs each to the disk."""
    if not path.exists():
        make_directory(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)


def sync_tree(path: Path) -> None:
    """Syncs a directory and everything in it to the disk, the innermost first."""
    for child in path.iterdir():
        if child.is_dir():
            sync_tree(child)
        else:
            sync(child)
    sync(path)


def sync(path: Path) -> None:
    """Writes a file, or the entries of a directory, to the disk (fsync)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems do not support fsync of directories and do not need it.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def rename_and_sync(path: Path, target: Path) -> None:
    """Renames a file or directory and syncs the new name to the disk."""
    path.rename(target)
    sync(target.parent)


def write_atomically(path: Path, content: bytes) -> None:
    """Writes or replaces a file; readers, and a power failure, see the old or the new content.

    A process that is killed meanwhile may leave a file `.NAME.PID.partial` beside it.

    Args:
        path: file in a directory that exists.
        content: what the file holds afterwards.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    # A killed process of the same number may have left one.
    partial.unlink(missing_ok=True)
    try:
        write_new(partial, content)
        sync(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    sync(path.parent)


def write_new(path: Path, content: bytes) -> None:
    """Writes a file that must not exist: a link of that name, which others made, is not followed.

    Args:
        path: file to make.
        content: what it holds.

    Raises:
        OSError: naming the file, if the operating system refuses, as a full disk does.
    """
    with naming_file(path), path.open("xb") as file:
        file.write(content)


@contextlib.contextmanager
def naming_file(path: Path) -> Iterator[None]:
    """Adds the name of a file to errors of the block: those of a write have none."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = os.fspath(path)
        raise


@contextlib.contextmanager
def lock_directory(path: Path, wait: bool = True) -> Iterator[bool]:
    """Locks a directory until the end of the block or of the process.

    The lock is an flock on the directory itself: it is advisory, leaves no file, and stays with
    the directory when that is renamed. The kernel releases it when the process ends, even by a
    kill.

    Args:
        path: directory that exists.
        wait: whether to wait until another process releases the lock.

    Yields:
        Whether the lock is held. It is not if another process holds it and `wait` is False, or
        if the file system or the platform has no such locks.
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
    """Tells whether locks work in a directory: some platforms and file systems have none."""
    with tempfile.TemporaryDirectory(dir=directory) as probe, lock_directory(Path(probe)) as locked:
        return locked


def _lock(descriptor: int, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True
