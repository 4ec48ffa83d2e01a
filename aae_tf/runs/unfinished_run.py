"""Directories of unfinished runs, from which a second start of the same command resumes."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aae_tf.files import has_locks, lock_directory, make_directory, write_new
from aae_tf.runs.backup import Progress, newest_backup
from aae_tf.runs.errors import UserError
from aae_tf.runs.recipe import Recipe
from aae_tf.runs.run_directory import publish_run
from aae_tf.runs.training_callbacks import trim_logs

_IDENTITY = "identity.json"
_LOGS = "logs"


class UnfinishedRun:
    """The directory `OUT.partial` of a run that is trained, locked by the process that trains it.

    Args:
        out: directory of the finished run.

    Attributes:
        path: `OUT.partial`.
        run: `OUT.partial/run`, which becomes OUT.
        logs: directory in `run` that TensorBoard reads.
        backups: `OUT.partial/backups`.
    """

    def __init__(self, out: Path) -> None:
        self.out = out.absolute()
        self.path = self.out.with_name(f"{self.out.name}.partial")
        self.run = self.path / "run"
        self.logs = self.run / _LOGS
        self.backups = self.path / "backups"

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Makes the directory, and locks it until the end of the block.

        Raises:
            UserError: if another process has locked it.
        """
        make_directory(self.path)
        before = self.path.stat()
        with lock_directory(self.path, wait=False) as locked:
            # The process that had locked it may have finished and removed the directory meanwhile.
            if not self.path.exists() or self.path.stat().st_ino != before.st_ino:
                locked = False
            elif not locked and not has_locks(self.path):
                locked = True
            if not locked:
                raise UserError(
                    f"Expected one process to train {self.out} at a time. "
                    f"Received: {self.path}, in which another is at work."
                )
            yield

    def prepare(self, identity: dict[str, Any], restart: bool) -> None:
        """Removes what was written after the last backup; without a backup, everything.

        Args:
            identity: everything that determines the result, by the names of the options: a backup
                is resumed only by a training of the same identity.
            restart: whether to remove backups too.

        Raises:
            UserError: if there is a backup of another identity.
        """
        # JSON has no tuples.
        identity = json.loads(json.dumps(identity))
        # A process that is killed after it renamed `run` to OUT leaves the backups.
        backup = newest_backup(self.backups)
        if backup is not None and self.run.is_dir() and not restart:
            self._check_same(identity)
            self._clean_run(backup)
            return
        for path in self.path.iterdir():
            _remove(path)
        write_new(self.path / _IDENTITY, (json.dumps(identity, indent=2) + "\n").encode())
        self.run.mkdir()

    def publish(self) -> None:
        """Renames `run` to OUT, and removes this directory."""
        publish_run(self.run, self.out)
        self.remove()

    def remove(self) -> None:
        """Removes the directory."""
        shutil.rmtree(self.path)

    def _clean_run(self, backup: Path) -> None:
        """Removes what was written after the backup, which the training is to write again."""
        for path in self.run.iterdir():
            if path.name == _LOGS:
                trim_logs(path, Progress.read(backup).epoch)
            else:
                _remove(path)

    def _check_same(self, identity: dict[str, Any]) -> None:
        path = self.path / _IDENTITY
        try:
            stored = json.loads(path.read_text())
            # A field that the package did not have then had the value that is its default now.
            known = {name: stored.get(name, getattr(Recipe, name, None)) for name in identity}
        except (OSError, ValueError, AttributeError) as error:
            raise UserError(
                f"Expected {path} to be as `aae-tf train` writes it; --restart begins anew. "
                f"Received: {type(error).__name__}: {error}."
            ) from error
        differences = [
            f"{name}={value!r} instead of {known[name]!r}"
            for name, value in identity.items()
            if value != known[name]
        ]
        if differences:
            raise UserError(
                f"Expected the options with which {self.path} was begun, to continue it, or "
                f"--restart to begin anew, or another --out. Received: {', '.join(differences)}."
            )


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
