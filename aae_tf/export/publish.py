"""Makes directories appear whole or not at all."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from aae_tf.export.staging import staging_directory
from aae_tf.files import lock_directory, rename_and_sync, sync_tree


@contextlib.contextmanager
def publish(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a staging directory beside `target`, and renames it to `target` on success.

    The staging directory is removed when the block raises. A killed process leaves it behind, and
    nothing at `target`. Its content is on the disk before the rename, and the rename before the
    end, so that a power failure does no harm either.

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
    """Does for several directories what `publish` does for one.

    All are ready before the first is renamed, and if one cannot be renamed, those before it are
    taken back. No file system renames two directories at once: a process that is killed between
    two renames leaves the first targets and the staging directories of the rest, complete. So
    `targets` are in the order in which each may exist without the next.

    Args:
        targets: directories to make, none of them there.

    Yields:
        Paths of the empty staging directories.

    Raises:
        FileExistsError: if a target exists, before or after the block.
    """
    for target in targets:
        _refuse(target)
    with contextlib.ExitStack() as stack:
        stagings = [stack.enter_context(staging_directory(target)) for target in targets]
        yield stagings
        for staging in stagings:
            sync_tree(staging)
        _rename(stagings, targets)


def _rename(stagings: Sequence[Path], targets: Sequence[Path]) -> None:
    pairs = list(zip(stagings, targets, strict=True))
    with contextlib.ExitStack() as stack:
        # Sorted, so that two writers do not wait for each other.
        for parent in sorted({target.parent for target in targets}):
            stack.enter_context(lock_directory(parent))
        for target in targets:
            _refuse(target)
        try:
            for staging, target in pairs:
                rename_and_sync(staging, target)
        except BaseException:
            for staging, target in reversed(pairs):
                if not staging.exists():
                    target.rename(staging)
            raise


def _refuse(target: Path) -> None:
    if target.exists():
        raise FileExistsError(
            f"Expected the directory to write not to exist. Received: path={str(target)!r}."
        )
