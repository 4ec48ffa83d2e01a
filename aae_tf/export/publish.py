"""Makes a directory appear whole or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def publish(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a staging directory beside `target`, and renames it to `target` on success.

    The staging name starts with "tmp-" and is no number, so that a server which watches the
    parent never picks it up. It is removed when the block raises. A killed process leaves it
    behind, and nothing at `target`.

    Args:
        target: directory to make, not yet there; its parents are made.

    Yields:
        Path of the empty staging directory.

    Raises:
        FileExistsError: if `target` exists, before or after the block.
    """
    target = Path(target)
    _refuse(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f"tmp-{target.name}-", dir=target.parent))
    try:
        # mkdtemp makes it private; a server often runs as another user.
        staging.chmod(0o777 & ~_umask())
        yield staging
        _refuse(target)
        staging.rename(target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _refuse(target: Path) -> None:
    if target.exists():
        raise FileExistsError(
            f"Expected the directory to write not to exist. Received: path={str(target)!r}."
        )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
