"""Backups of a training, from which it resumes after a kill."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np

from aae_tf.files import rename_and_sync, sync_tree, write_new
from aae_tf.runs.errors import OutOfTime, UserError
from aae_tf.runs.run_directory import serialize_model

if TYPE_CHECKING:
    from aae_tf.runs.cluster import Cluster

# Without `every`, backups take at most this share of the time.
_MAX_SHARE_OF_TIME = 0.02
_PROGRESS = "progress.json"
_WEIGHTS = "model.weights.h5"
_METRICS = "metrics.npz"


class Progress(NamedTuple):
    """The point in a training at which it resumes.

    Attributes:
        epoch: number of finished epochs.
        step: number of finished steps in the next epoch.
        history: logs of each finished epoch.
    """

    epoch: int = 0
    step: int = 0
    history: tuple[dict[str, float], ...] = ()

    def write(self, directory: Path) -> None:
        """Writes the progress to a file in a directory."""
        # JSON keeps Python's floats to the last bit, and NaN and infinity too.
        write_new(directory / _PROGRESS, json.dumps(self._asdict()).encode())

    @classmethod
    def read(cls, directory: Path) -> Progress:
        """Reads the file that `write` makes.

        Raises:
            UserError: if it is damaged.
        """
        path = directory / _PROGRESS
        try:
            fields = json.loads(path.read_text())
            return cls(int(fields["epoch"]), int(fields["step"]), tuple(fields["history"]))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(
                f"Expected {path} to be as `aae-tf train` writes it; --restart begins anew. "
                f"Received: {type(error).__name__}: {error}."
            ) from error


class Backup(keras.callbacks.Callback):
    """Writes backups of a training, and restores the last one when a training begins.

    A backup holds everything that determines the rest of a training but its data: weights,
    optimizers, random generators, the metrics of the epoch so far, and the history. It is a
    directory that gets its name when it is on the disk; only then the backup before it is removed,
    so that a complete one always exists. `keras.callbacks.BackupAndRestore` overwrites its only
    file, and resumes at the first batch of an epoch with the weights of a later one.

    Pass it to `fit` after the callbacks that write logs, and after those that raise if the training
    has failed.

    Args:
        directory: directory of the backups, which holds nothing else.
        steps_per_epoch: number of batches in an epoch.
        cluster: the workers; the chief writes, and all of them restore what it has written.
        every: number of steps between backups, rounded up to executions of the compiled function;
            with None, backups are made at the ends of epochs, and take at most 2% of the time.
        stop_at: reading of `time.monotonic` after which a backup is written and the training ends;
            None lets it end by itself.

    Raises:
        OutOfTime: from `fit`, after `stop_at`.
        UserError: if workers see different backups; from `fit`, if another version of the package
            wrote the backup and its contents do not fit, or if it is damaged.

    Attributes:
        progress: progress of the training, updated after each execution.
        backed_up: progress of the last backup; None before the first.
    """

    def __init__(
        self,
        directory: Path,
        steps_per_epoch: int,
        cluster: Cluster,
        every: int | None = None,
        stop_at: float | None = None,
    ) -> None:
        super().__init__()
        self.cluster = cluster
        self.directory = directory
        self.steps_per_epoch = steps_per_epoch
        self.every = every
        self.stop_at = stop_at
        self._restored = newest_backup(directory)
        self.backed_up = None if self._restored is None else Progress.read(self._restored)
        self.progress = self.backed_up or Progress()
        if not cluster.all_equal(self.progress.epoch * steps_per_epoch + self.progress.step):
            raise UserError(
                "Expected all workers to see one directory of backups, to go on from. Received: "
                f"{directory}, in which this one sees {self._restored}, and others another: give "
                "the workers a volume that they share."
            )
        self._first_step = 0
        self._since_backup = 0
        self._not_before = 0.0

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Restores the weights, the optimizers and the random generators."""
        if self._restored is not None:
            with self._report_mismatch():
                self.model.load_weights(self._restored / _WEIGHTS)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Restores the metrics, which Keras has just reset, of an epoch that is under way."""
        self._first_step = self.progress.step
        if self._first_step and self._restored is not None:
            with self._report_mismatch(), np.load(self._restored / _METRICS) as values:
                self.model.set_metrics_state(values)
        self._restored = None

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Counts the steps, and writes a backup if one is due."""
        # The last execution of an epoch may have fewer steps than Keras counts.
        step = min(self._first_step + batch + 1, self.steps_per_epoch)
        self._since_backup += step - self.progress.step
        self.progress = self.progress._replace(step=step)
        # After the last step, `on_epoch_end` follows, with validation and logs.
        if step < self.steps_per_epoch:
            self._stop_in_time()
            if self._is_due():
                self._write_backup()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Adds the epoch to the history, and writes a backup if one is due."""
        self.progress = Progress(epoch + 1, 0, (*self.progress.history, dict(logs or {})))
        if epoch + 1 < self.params["epochs"]:
            self._stop_in_time()
        is_due = self._is_due()
        if self.every is None:
            # Clocks differ, and all workers have to take part in a backup.
            is_due = self.cluster.broadcast_from_chief(time.monotonic() >= self._not_before)
        if is_due:
            self._write_backup()

    @contextlib.contextmanager
    def _report_mismatch(self) -> Iterator[None]:
        """Raises `UserError` where Keras, or the model, refuses what the backup holds."""
        try:
            yield
        # Damaged files surface as errors of HDF5, zip or NumPy.
        except Exception as error:
            raise UserError(
                f"Expected {self._restored} to be a backup by this version of aae_tf. Received: "
                "one by another version, or a damaged one. Continue with the version that wrote "
                f"it, or begin anew with --restart. ({error})"
            ) from error

    def _stop_in_time(self) -> None:
        if self.stop_at is not None and time.monotonic() >= self.stop_at:
            self._write_backup()
            raise OutOfTime

    def write_if_new(self) -> None:
        """Writes a backup, unless the last one is of this point of the training."""
        if self.backed_up != self.progress:
            self._write_backup()

    def _is_due(self) -> bool:
        return self.every is not None and self._since_backup >= self.every

    def _write_backup(self) -> None:
        started = time.monotonic()
        # Reading a metric sums over replicas, so every worker has to read.
        values = self.model.get_metrics_state()
        if self.cluster.is_chief:
            self._write_directory(values)
        self.backed_up = self.progress
        self._since_backup = 0
        ended = time.monotonic()
        self._not_before = ended + (ended - started) / _MAX_SHARE_OF_TIME

    def _write_directory(self, metrics: dict[str, Any]) -> None:
        older = list(self.directory.glob("backup-*"))
        staging = self.directory / "unfinished"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        with zipfile.ZipFile(io.BytesIO(serialize_model(self.model))) as saved:
            write_new(staging / _WEIGHTS, saved.read(_WEIGHTS))
        buffer = io.BytesIO()
        np.savez(buffer, **metrics)
        write_new(staging / _METRICS, buffer.getvalue())
        self.progress.write(staging)
        sync_tree(staging)
        name = f"backup-{self.progress.epoch:08d}-{self.progress.step:08d}"
        rename_and_sync(staging, self.directory / name)
        for path in older:
            shutil.rmtree(path)


def newest_backup(directory: Path) -> Path | None:
    """Returns the last backup in a directory, which need not exist."""
    # A process that is killed before it removes the older backup leaves two.
    return max(directory.glob("backup-*"), default=None)


def load_backup(model: keras.Model, backup: Path) -> None:
    """Loads the weights of a backup, and the state of its optimizers and random generators.

    Args:
        model: model of the recipe that the backup is of.
        backup: what `newest_backup` returned.
    """
    model.load_weights(backup / _WEIGHTS)
