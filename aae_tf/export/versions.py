"""The numbered versions of a servable: lists them, removes old ones, completes killed exports."""

import re
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from aae_tf.export.exportable import ExportError
from aae_tf.export.model_card import read_model_card, verify_files
from aae_tf.export.publish import StaleStaging, stale_stagings
from aae_tf.files import rename_and_sync

LARGEST_VERSION = 2**63 - 1
_RETIRED = re.compile(r"retired-[0-9]+-[0-9a-f]{16}")


def version_number(name: str) -> int | None:
    """Returns the version that a server reads from a directory's name: a whole 64-bit number."""
    number = int(name) if re.fullmatch("[0-9]+", name) else None
    return number if number is not None and number <= LARGEST_VERSION else None


def list_versions(servable: Path) -> list[tuple[int, Path]]:
    """Lists the entries that a server takes for versions: those whose name is a 64-bit number.

    Args:
        servable: directory of the versions; it need not exist.

    Returns:
        Numbers and paths, the oldest first.
    """
    if not servable.is_dir():
        return []
    numbered = ((version_number(path.name), path) for path in servable.iterdir())
    return sorted((number, path) for number, path in numbered if number is not None)


def remove_old_versions(servable: Path, keep: int, published: Path) -> None:
    """Removes all versions but the newest.

    A version is renamed to a name that is no number before its first file is removed, so that a
    server that polls the directory sees it whole or not at all. A server that serves it has it in
    memory and unloads it when the version is gone. Numbered files and links, which no export
    makes, are left.

    Args:
        servable: directory of the versions.
        keep: how many of the newest stay; >= 1.
        published: a version that stays even if `keep` others have higher numbers.
    """
    versions = [path for _, path in list_versions(servable) if _is_own_directory(path)]
    for path in versions[:-keep]:
        if path != published:
            retired = servable / f"retired-{path.name}-{secrets.token_hex(8)}"
            rename_and_sync(path, retired)
            shutil.rmtree(retired, ignore_errors=True)


def complete_killed_exports(servables: Sequence[Path]) -> None:
    """Completes or removes what killed exports have left.

    A stale staging directory is renamed to its version if it is complete and another servable
    already has the version of the same export: encoder and decoder then match again. The rename
    does no harm to a writer that is alive after all, since it would do the same. Any other stale
    staging directory is removed if its writer's death is proven, see `stale_stagings`.

    Args:
        servables: directories of the servables that are exported together, whether or not they
            exist, in the order in which their versions appear.
    """
    for servable in servables:
        _finish_removals(servable)
        with stale_stagings(servable) as found:
            for stale in found:
                target = servable / str(stale.version)
                if _completes_export(stale, servables) and not target.exists():
                    rename_and_sync(stale.path, target)
                elif stale.may_be_removed:
                    shutil.rmtree(stale.path, ignore_errors=True)


def _finish_removals(servable: Path) -> None:
    """Removes versions that a killed `remove_old_versions` has renamed and not removed."""
    if servable.is_dir():
        for path in servable.iterdir():
            if _RETIRED.fullmatch(path.name) and _is_own_directory(path):
                shutil.rmtree(path, ignore_errors=True)


def _is_own_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _completes_export(stale: StaleStaging, servables: Sequence[Path]) -> bool:
    own = _export_id(stale.path)
    if own is None:
        return False
    version = str(stale.version)
    others = [servable / version for servable in servables if servable != stale.path.parent]
    if own not in map(_export_id, others):
        return False
    try:
        verify_files(stale.path)
    except ExportError:
        return False
    return True


def _export_id(path: Path) -> str | None:
    try:
        return read_model_card(path).get("export")
    except ExportError:
        return None
