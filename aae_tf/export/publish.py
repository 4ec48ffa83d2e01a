"""Directories that appear whole or not at all, and what killed writers leave of them."""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from aae_tf.files import lock_directory, make_directory, rename_and_sync, sync_tree

# A staging directory is called tmp-VERSION-OWNER-RANDOM. OWNER is the boot id of the writer's
# kernel, or this word where there are no locks.
_UNLOCKED = "unlocked"
_NAME = re.compile(r"tmp-([0-9]+)-([0-9a-f]{8})-\w{8}")


class StaleStaging(NamedTuple):
    """A staging directory whose writer is dead.

    Attributes:
        path: the directory.
        version: number of the version that it was to become.
        may_be_removed: whether the writer's death is proven.
    """

    path: Path
    version: int
    may_be_removed: bool


@contextlib.contextmanager
def publish(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Makes a staging directory beside `target`, and renames it to `target` on success.

    The staging directory is removed when the block raises. A killed process leaves it behind, and
    nothing at `target`. The content is synced to the disk before the rename and the rename before
    the block ends, so that a power failure leaves no half-written target either.

    Args:
        target: directory to make, not yet there; its parents are made.

    Yields:
        Path of the empty staging directory.

    Raises:
        FileExistsError: if `target` exists, before or after the block.
    """
    with publish_in_order([Path(target)]) as (staging,):
        yield staging


@contextlib.contextmanager
def publish_in_order(targets: Sequence[Path]) -> Iterator[list[Path]]:
    """Publishes several directories as `publish` does one, the first of them first.

    All are complete before the first is renamed, and if a rename fails, those before it are
    undone. No file system renames two directories at once: a process that is killed between two
    renames leaves the first targets and the complete staging directories of the rest. So
    `targets` are in the order in which each may exist without the next.

    Args:
        targets: directories to make, none of them there.

    Yields:
        Paths of the empty staging directories.

    Raises:
        FileExistsError: if a target exists, before or after the block.
    """
    for target in targets:
        _check_absent(target)
    with contextlib.ExitStack() as stack:
        stagings = [stack.enter_context(staging_directory(target)) for target in targets]
        yield stagings
        for staging in stagings:
            sync_tree(staging)
        _rename_all(stagings, targets)


@contextlib.contextmanager
def staging_directory(target: Path) -> Iterator[Path]:
    """Makes a locked directory beside `target`, and removes it at the end if it is still there.

    Its name starts with "tmp-" and is no number, so that a server that watches the parent ignores
    it. The lock is held until the end of the block or of the process.

    Args:
        target: what the directory is to be renamed to; its parents are made.

    Yields:
        Path of the empty directory.
    """
    make_directory(target.parent)
    with contextlib.ExitStack() as stack:
        # `stale_stagings` holds the parent's lock too: it never sees a new directory unlocked.
        with lock_directory(target.parent) as locked:
            owner = _boot_id() if locked else _UNLOCKED
            prefix = f"tmp-{target.name}-{owner}-"
            staging = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
            stack.enter_context(lock_directory(staging))
            stack.callback(shutil.rmtree, staging, ignore_errors=True)
        # mkdtemp makes it private; a server often runs as another user.
        staging.chmod(0o777 & ~_umask())
        yield staging


@contextlib.contextmanager
def stale_stagings(folder: Path) -> Iterator[list[StaleStaging]]:
    """Finds and locks the staging directories in a folder of versions that nobody has locked.

    A free lock proves that the writer is dead, since a living writer holds it. It proves this on
    one machine only: machines that share the folder may each have locks of their own. So only
    directories whose name has the boot id of this kernel may be removed; those of another machine,
    or of the time before a restart, are left to the operator.

    Args:
        folder: directory of versions.

    Yields:
        The stale directories, locked until the end of the block.
    """
    with contextlib.ExitStack() as stack:
        found = []
        if folder.is_dir() and stack.enter_context(lock_directory(folder)):
            for path in sorted(folder.iterdir()):
                match = _NAME.fullmatch(path.name)
                if match and _lock_if_free(stack, path):
                    found.append(StaleStaging(path, int(match[1]), match[2] == _boot_id()))
        yield found


def _rename_all(stagings: Sequence[Path], targets: Sequence[Path]) -> None:
    pairs = list(zip(stagings, targets, strict=True))
    with contextlib.ExitStack() as stack:
        # Sorted, so that two writers do not wait for each other.
        for parent in sorted({target.parent for target in targets}):
            stack.enter_context(lock_directory(parent))
        for target in targets:
            _check_absent(target)
        try:
            for staging, target in pairs:
                rename_and_sync(staging, target)
        except BaseException:
            for staging, target in reversed(pairs):
                if not staging.exists():
                    target.rename(staging)
            raise


def _check_absent(target: Path) -> None:
    if target.exists():
        raise FileExistsError(
            f"Expected the directory to write not to exist. Received: path={str(target)!r}."
        )


def _lock_if_free(stack: contextlib.ExitStack, path: Path) -> bool:
    try:
        return stack.enter_context(lock_directory(path, wait=False))
    except FileNotFoundError:
        # Its writer has removed it since the folder was listed.
        return False


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    except OSError:
        return _UNLOCKED


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
