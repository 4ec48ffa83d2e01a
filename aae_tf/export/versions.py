"""The numbered versions of a servable: which there are, and when the old ones go."""

import re
import secrets
import shutil
from pathlib import Path

from aae_tf.files import rename_and_sync

LARGEST_VERSION = 2**63 - 1
_RETIRED = re.compile(r"retired-[0-9]+-[0-9a-f]{16}")


def version_number(name: str) -> int | None:
    """Reads a name as a server does: a version is one that is a 64-bit number as a whole."""
    number = int(name) if re.fullmatch("[0-9]+", name) else None
    return number if number is not None and number <= LARGEST_VERSION else None


def list_versions(servable: Path) -> list[tuple[int, Path]]:
    """Lists what a server takes for versions: entries whose whole name is a 64-bit number.

    Args:
        servable: directory of the versions; it need not exist.

    Returns:
        Numbers and paths, the oldest first.
    """
    if not servable.is_dir():
        return []
    numbered = ((version_number(path.name), path) for path in servable.iterdir())
    return sorted((number, path) for number, path in numbered if number is not None)


def retire_versions(servable: Path, keep: int, published: Path) -> None:
    """Removes all versions but the newest.

    A version is renamed to what is no number before its first file goes, so that a server which
    polls sees it whole or not at all; one that serves it has it in memory, and unloads it when it
    sees it gone. Numbered files and links, which no export makes, are left.

    Args:
        servable: directory of the versions.
        keep: how many of the newest stay; >= 1.
        published: stays in any case, even if `keep` others have higher numbers.
    """
    versions = [path for _, path in list_versions(servable) if _is_own_directory(path)]
    for path in versions[:-keep]:
        if path != published:
            retired = servable / f"retired-{path.name}-{secrets.token_hex(8)}"
            rename_and_sync(path, retired)
            shutil.rmtree(retired, ignore_errors=True)


def remove_retired(servable: Path) -> None:
    """Removes what `retire_versions` has renamed and not removed, because it was killed."""
    if servable.is_dir():
        for path in servable.iterdir():
            if _RETIRED.fullmatch(path.name) and _is_own_directory(path):
                shutil.rmtree(path, ignore_errors=True)


def _is_own_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
