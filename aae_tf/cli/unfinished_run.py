"""A run while it is trained: what a second start of the same command goes on from."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aae_tf.cli.backup import newest_backup
from aae_tf.cli.epoch_logs import trim_logs
from aae_tf.cli.errors import CommandError
from aae_tf.cli.progress import Progress
from aae_tf.cli.recipe import Recipe
from aae_tf.cli.run_directory import publish_run
from aae_tf.files import has_locks, lock_directory, make_directory

_IDENTITY = "identity.json"
_LOGS = "logs"


class UnfinishedRun:
    """The directory `OUT.partial` beside a run, held by the one process that trains it.

    Args:
        out: directory of the run.

    Attributes:
        path: `OUT.partial`.
        run: what becomes OUT: `OUT.partial/run`.
        logs: what TensorBoard reads in there.
        backups: where backups are: `OUT.partial/backups`.
    """

    def __init__(self, out: Path) -> None:
        self.out = out.absolute()
        self.path = self.out.with_name(f"{self.out.name}.partial")
        self.run = self.path / "run"
        self.logs = self.run / _LOGS
        self.backups = self.path / "backups"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Makes the directory, and keeps other processes from it until the end of the block.

        Raises:
            CommandError: if another process holds it.
        """
        make_directory(self.path)
        before = self.path.stat()
        with lock_directory(self.path, wait=False) as locked:
            # Its last holder may have finished, and removed the directory, in between.
            if not self.path.exists() or self.path.stat().st_ino != before.st_ino:
                locked = False
            elif not locked and not has_locks(self.path):
                locked = True
            if not locked:
                raise CommandError(
                    f"Expected one process to train {self.out} at a time. "
                    f"Received: {self.path}, in which another is at work."
                )
            yield

    def prepare(self, identity: dict[str, Any], restart: bool) -> None:
        """Keeps what can be gone on from, and removes the rest.

        Args:
            identity: what decides the result, by the names of the options: only a training of the
                same one goes on from what is there.
            restart: whether to go on from nothing.

        Raises:
            CommandError: if there is a backup of another training.
        """
        # JSON has no tuples.
        identity = json.loads(json.dumps(identity))
        # A run that was renamed to OUT has left its backups, if it was killed right then.
        backup = newest_backup(self.backups)
        if backup is not None and self.run.is_dir() and not restart:
            self._check_same(identity)
            self._clean_run(backup)
            return
        for path in self.path.iterdir():
            _remove(path)
        (self.path / _IDENTITY).write_text(json.dumps(identity, indent=2) + "\n")
        self.run.mkdir()

    def publish(self) -> None:
        """Renames the run to OUT, and removes what was needed to get there."""
        publish_run(self.run, self.out)
        self.remove()

    def remove(self) -> None:
        """Removes the directory."""
        shutil.rmtree(self.path)

    def _clean_run(self, backup: Path) -> None:
        """Removes what was written after the backup, and is going to be written again."""
        for path in self.run.iterdir():
            if path.name == _LOGS:
                trim_logs(path, Progress.read(backup).epoch)
            else:
                _remove(path)

    def _check_same(self, identity: dict[str, Any]) -> None:
        known = json.loads((self.path / _IDENTITY).read_text())
        # An older version of this package did not know the fields that are new.
        known = {name: known.get(name, getattr(Recipe, name, None)) for name in identity}
        differences = [
            f"{name}={value!r} instead of {known[name]!r}"
            for name, value in identity.items()
            if value != known[name]
        ]
        if differences:
            raise CommandError(
                f"Expected the options with which {self.path} was begun, to continue it, or "
                f"--restart to begin anew, or another --out. Received: {', '.join(differences)}."
            )


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
