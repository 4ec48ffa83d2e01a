"""Directories that are being written, and what is left of them when their writer is killed."""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from aae_tf.files import lock_directory, make_directory

_UNLOCKED = "unlocked"
_NAME = re.compile(r"tmp-([0-9]+)-([0-9a-f]{8})-\w{8}")


class Leftover(NamedTuple):
    """A staging directory that nobody writes any more.

    Attributes:
        path: where it is.
        version: number of the version that it was to become.
        may_be_removed: whether it is proven that its writer is dead.
    """

    path: Path
    version: int
    may_be_removed: bool


@contextlib.contextmanager
def staging_directory(target: Path) -> Iterator[Path]:
    """Gives a new directory beside `target`, and removes it if it is still there at the end.

    Its name starts with "tmp-" and is no number, so that a server which watches the parent never
    picks it up; behind the name of `target` it has the identity of the running kernel. The
    directory is locked as long as its writer lives.

    Args:
        target: what it is to be renamed to; its parents are made.

    Yields:
        Path of the empty directory.
    """
    make_directory(target.parent)
    with contextlib.ExitStack() as stack:
        # Whoever looks for leftovers has the parent's lock: to them, there is no moment in which
        # the directory is there and its lock is not.
        with lock_directory(target.parent) as locked:
            owner = _kernel() if locked else _UNLOCKED
            prefix = f"tmp-{target.name}-{owner}-"
            staging = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
            stack.enter_context(lock_directory(staging))
            stack.callback(shutil.rmtree, staging, ignore_errors=True)
        # mkdtemp makes it private; a server often runs as another user.
        staging.chmod(0o777 & ~_umask())
        yield staging


@contextlib.contextmanager
def leftovers(folder: Path) -> Iterator[list[Leftover]]:
    """Finds the staging directories in a folder of versions whose lock is free.

    The lock is the proof: a living writer has it, and the kernel takes it from a dead one. It
    proves nothing about a writer on another machine that shares the folder, where locks may be
    each machine's own; so only those of this kernel, whose name says so, may be removed, and
    those of another machine or of before a restart are left to the operator.

    Args:
        folder: directory of versions.

    Yields:
        Those leftovers, locked until the end, so that nobody else touches them.
    """
    with contextlib.ExitStack() as stack:
        found = []
        if folder.is_dir() and stack.enter_context(lock_directory(folder)):
            for path in sorted(folder.iterdir()):
                match = _NAME.fullmatch(path.name)
                if match and _lock(stack, path):
                    found.append(Leftover(path, int(match[1]), match[2] == _kernel()))
        yield found


def _lock(stack: contextlib.ExitStack, path: Path) -> bool:
    try:
        return stack.enter_context(lock_directory(path, wait=False))
    except FileNotFoundError:
        # Its writer has just taken it back.
        return False


def _kernel() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    except OSError:
        return _UNLOCKED


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
