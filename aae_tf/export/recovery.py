"""Puts in order what killed exports have left."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from aae_tf.export.exportable import ExportError
from aae_tf.export.model_card import read_model_card, verify_files
from aae_tf.export.staging import Leftover, leftovers
from aae_tf.export.versions import remove_retired
from aae_tf.files import rename_and_sync


def recover(servables: Sequence[Path]) -> None:
    """Finishes the exports that were killed between two renames, and removes what others left.

    A staging directory whose writer is dead is renamed to its version if it is complete and
    another servable already has the version of the same export: the pair is then whole again.
    Any other is removed, if its writer is proven dead, see `leftovers`. The renaming needs no
    such proof, since a writer that lived would do the same.

    Args:
        servables: directories of the servables that are exported together, whether or not they
            exist, in the order in which their versions appear.
    """
    for servable in servables:
        remove_retired(servable)
        with leftovers(servable) as found:
            for leftover in found:
                target = servable / str(leftover.version)
                if _completes_export(leftover, servables) and not target.exists():
                    rename_and_sync(leftover.path, target)
                elif leftover.may_be_removed:
                    shutil.rmtree(leftover.path, ignore_errors=True)


def _completes_export(leftover: Leftover, servables: Sequence[Path]) -> bool:
    own = _export_of(leftover.path)
    if own is None:
        return False
    version = str(leftover.version)
    others = [servable / version for servable in servables if servable != leftover.path.parent]
    if own not in map(_export_of, others):
        return False
    try:
        verify_files(leftover.path)
    except ExportError:
        return False
    return True


def _export_of(path: Path) -> str | None:
    try:
        return read_model_card(path).get("export")
    except ExportError:
        return None
