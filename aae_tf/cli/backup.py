"""Keeps what a killed training goes on from."""

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from aae_tf.cli.errors import CommandError
from aae_tf.cli.progress import Progress
from aae_tf.files import sync, sync_tree

if TYPE_CHECKING:
    from aae_tf.cli.workers import Workers

# Without `every`, backups take at most this share of the time.
_SHARE = 0.02
_WEIGHTS = "model.weights.h5"
_METRICS = "metrics.npz"


class Backup(keras.callbacks.Callback):
    """Backs a training up, and sets a model back to where the last backup was.

    A backup holds the weights, the optimizers, the random generators, the metrics so far in the
    epoch, and the history: all that decides how a training goes on, beside its data. It is a
    directory that is renamed when it is on the disk, and only then the one before it is removed,
    so that there is always a whole one. `keras.callbacks.BackupAndRestore` writes over its only
    file, and starts an epoch again from its first batch with the weights of a later one.

    Give it to `fit` behind the callbacks that write logs, and behind those that raise where nothing
    is left to go on from.

    Args:
        directory: where backups are; holds nothing else.
        steps_per_epoch: number of batches in an epoch.
        workers: those who train together, of whom the chief writes, and all go on from what it
            has written.
        every: steps from one backup to the next, rounded up to executions of the compiled
            function; None backs up at the ends of epochs, as often as takes no more than 2% of
            the time.

    Raises:
        CommandError: if workers see different backups.

    Attributes:
        progress: how far the training has come, set when a step is finished.
        backed_up: the progress of the last backup; None before there is one.
    """

    def __init__(
        self, directory: Path, steps_per_epoch: int, workers: "Workers", every: int | None = None
    ) -> None:
        super().__init__()
        self.workers = workers
        self.directory = directory
        self.steps_per_epoch = steps_per_epoch
        self.every = every
        self._restored = newest_backup(directory)
        self.backed_up = None if self._restored is None else Progress.read(self._restored)
        self.progress = self.backed_up or Progress()
        if not workers.agree(self.progress.epoch * steps_per_epoch + self.progress.step):
            raise CommandError(
                "Expected all workers to see one directory of backups, to go on from. Received: "
                f"{directory}, in which this one sees {self._restored}, and others another: give "
                "the workers a volume that they share."
            )
        self._first_step = 0
        self._since_backup = 0
        self._not_before = 0.0

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Sets the model back."""
        if self._restored is not None:
            self.model.load_weights(self._restored / _WEIGHTS)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Sets the metrics back, which Keras has just reset, if the epoch had begun."""
        self._first_step = self.progress.step
        if self._first_step and self._restored is not None:
            with np.load(self._restored / _METRICS) as values:
                variables = self.model.metrics_variables
                for variable, value in zip(variables, values.values(), strict=True):
                    variable.assign(value)
        self._restored = None

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Counts the steps, and backs up if that is due."""
        # An execution of several steps ends with the epoch, though Keras counts on.
        step = min(self._first_step + batch + 1, self.steps_per_epoch)
        self._since_backup += step - self.progress.step
        self.progress = self.progress._replace(step=step)
        # After the last step of an epoch its validation and its logs are still to come.
        if self._is_due() and step < self.steps_per_epoch:
            self._back_up()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Adds the epoch to the history, and backs up if that is due."""
        self.progress = Progress(epoch + 1, 0, (*self.progress.history, dict(logs or {})))
        is_due = self._is_due()
        if self.every is None:
            # Clocks differ, and all have to meet in a backup.
            is_due = self.workers.follow(time.monotonic() >= self._not_before)
        if is_due:
            self._back_up()

    def _is_due(self) -> bool:
        return self.every is not None and self._since_backup >= self.every

    def _back_up(self) -> None:
        started = time.monotonic()
        # Sums over all replicas, to which each worker adds its own.
        values = [variable.numpy() for variable in self.model.metrics_variables]
        if self.workers.is_chief:
            self._write(values)
        self.backed_up = self.progress
        self._since_backup = 0
        ended = time.monotonic()
        self._not_before = ended + (ended - started) / _SHARE

    def _write(self, metrics: list[np.ndarray]) -> None:
        older = list(self.directory.glob("backup-*"))
        staging = self.directory / "unfinished"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        self.model.save_weights(staging / _WEIGHTS)
        np.savez(staging / _METRICS, *metrics)
        self.progress.write(staging)
        sync_tree(staging)
        staging.rename(
            self.directory / f"backup-{self.progress.epoch:08d}-{self.progress.step:08d}"
        )
        sync(self.directory)
        for path in older:
            shutil.rmtree(path)


def newest_backup(directory: Path) -> Path | None:
    """Finds the last backup in a directory, which need not exist."""
    # Killed before it removed the older one, a process leaves two.
    return max(directory.glob("backup-*"), default=None)
