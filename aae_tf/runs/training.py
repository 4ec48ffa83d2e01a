"""Trains the model of a recipe, with backups, and writes the directory of the run."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aae_tf.runs.builders import build_model
from aae_tf.runs.detection import check_calibration_rows, write_detector
from aae_tf.runs.errors import OutOfTime, UserError, as_user_error, refused_write
from aae_tf.runs.figures import figure_callbacks
from aae_tf.runs.recipe import Recipe
from aae_tf.runs.report import write_report
from aae_tf.runs.run_directory import check_new, is_run_of, write_run
from aae_tf.runs.training_data import (
    batch_sizes,
    training_batches,
    training_data,
    used_labels,
)

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from aae_tf.data import Dataset
    from aae_tf.models import BaseModel
    from aae_tf.runs.backup import Backup
    from aae_tf.runs.cluster import Cluster
    from aae_tf.runs.unfinished_run import UnfinishedRun


_ROWS_CHECKED = 10_000


def train_run(
    recipe: Recipe,
    dataset: Dataset,
    out: Path,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int | None = None,
    *,
    restart: bool = True,
    backup_every: int | None = None,
    deterministic: bool = False,
    cluster: Cluster | None = None,
    stop_at: float | None = None,
) -> None:
    """Trains a model and writes its run directory, which appears when it is complete.

    Until then, everything is in `OUT.partial`, with backups. After an interruption of any kind, the
    same call with `restart=False` resumes from the last backup, with the batches and the random
    numbers of an uninterrupted training.

    Args:
        recipe: recipe of the model and its training.
        dataset: data set to train on.
        out: directory of the run.
        callbacks: further callbacks.
        verbose: as in `keras.Model.fit`; None takes `bar_verbosity`.
        restart: whether to start from nothing and to replace `out`; otherwise an unfinished run is
            resumed, and `out` must be new or empty.
        backup_every: number of steps between backups, see `Backup`.
        deterministic: whether TensorFlow adds in the same order every time, for the rest of the
            process.
        cluster: the workers that train together; None is this process, on one device.
        stop_at: reading of `time.monotonic` after which the training is backed up and ends.

    Raises:
        OutOfTime: after `stop_at`; what was trained until then is in `OUT.partial`.
        UserError: if the recipe does not fit the data, if `OUT.partial` belongs to another recipe,
            or if the training diverges, is interrupted, loses a worker, or fills the disk.
    """
    import keras
    import tensorflow as tf

    from aae_tf.data.check_arrays import check_training_data
    from aae_tf.runs.backup import Backup, Progress
    from aae_tf.runs.cluster import Cluster
    from aae_tf.runs.starts import best_start
    from aae_tf.runs.unfinished_run import UnfinishedRun
    from aae_tf.training.decoder_fit import fit_decoder
    from aae_tf.training.objective import check_rows, divergences_of

    cluster = cluster or Cluster()
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    # For callbacks and layers of users that draw without a seed; this package always passes one.
    keras.utils.set_random_seed(recipe.seed)
    with as_user_error(ValueError, TypeError):
        data = training_data(recipe, dataset)
        cluster.check_divisible(batch_sizes(recipe, dataset))

        def build(recipe: Recipe) -> BaseModel:
            with cluster.scope():
                return build_model(recipe, data)

        model = build(recipe)
        check_rows(divergences_of(model), sum(batch_sizes(recipe, dataset).values()))
        # `fit` checks arrays in this way, but gets batches, whose order another process can repeat.
        labels = used_labels(recipe, dataset)
        # Of rows in a file, what is read in a moment.
        rows = slice(None if isinstance(dataset.x_train, np.ndarray) else _ROWS_CHECKED)
        check_training_data(
            np.asarray(dataset.x_train[rows]),
            None if labels is None else labels[rows],
            "x_train",
            any_range=data.columns is not None,
        )
        model.check_labels(labels)
        if recipe.task == "anomaly":
            check_calibration_rows(dataset)
    unfinished = UnfinishedRun(out)
    with cluster.report_lost_worker(), contextlib.ExitStack() as stack:

        def prepare_directory() -> None:
            stack.enter_context(unfinished.lock())
            if not restart:
                # Another process may have finished the run before this one got the lock.
                check_new(out)
            unfinished.prepare(_identity(recipe, dataset, deterministic), restart)

        cluster.run_on_chief(prepare_directory)
        backup = Backup(unfinished.backups, data.steps_per_epoch, cluster, backup_every, stop_at)

        def batches(epoch: int, step: int) -> tf.data.Dataset:
            return cluster.shard(training_batches(recipe, dataset, epoch, step))

        try:
            if recipe.starts > 1 and backup.backed_up is None:
                model, history = best_start(
                    recipe, build, batches, data.fit, stop_at, report=cluster.is_chief
                )
                backup.progress = Progress(recipe.start_epochs, 0, history)
            _fit(
                functools.partial(
                    model.fit,
                    **data.fit,
                    callbacks=[
                        *_callbacks(recipe, dataset, unfinished, cluster),
                        *callbacks,
                        backup,
                    ],
                    verbose=_verbosity(verbose, cluster),
                ),
                batches,
                recipe.epochs,
                backup,
            )
            if recipe.decoder_fit_steps:
                if stop_at is not None:
                    # The fit itself is not backed up: it begins anew.
                    backup.write_if_new()
                fit_decoder(
                    model,
                    dataset.x_train,
                    steps=recipe.decoder_fit_steps,
                    seed=recipe.seed,
                    after_step=functools.partial(_stop_in_time, stop_at),
                )
            if cluster.is_chief:
                write_run(unfinished.run, model, recipe, backup.progress.history)
                detector = None
                if recipe.task == "anomaly":
                    detector = write_detector(unfinished.run, model, recipe, dataset)
                history = backup.progress.history
                write_report(unfinished.run, model, recipe, dataset, history, detector)
        except FloatingPointError as error:
            # The same command would fail again.
            if cluster.is_chief:
                unfinished.remove()
            raise UserError(
                f"{error} Nothing is written. A lower --learning-rate may help.", exit_code=1
            ) from error
        except KeyboardInterrupt as interrupt:
            what = "Interrupted"
            if backup.backed_up is not None:
                what += f" in epoch {backup.progress.epoch + 1} of {recipe.epochs}"
            raise _stopped(what, 130, backup, unfinished, restart) from interrupt
        except OutOfTime:
            if backup.backed_up is None and cluster.is_chief:
                unfinished.remove()
            raise
        except Exception as error:
            refusal = refused_write(error)
            if refusal is None:
                raise
            raise _stopped(refusal.rstrip("."), 1, backup, unfinished, restart) from error
        if cluster.is_chief:
            unfinished.publish()
        cluster.barrier_before_exit(lambda: is_run_of(out, recipe))


def bar_verbosity() -> int:
    """Gives the `verbose` of Keras: 1 (bars) in a terminal, 2 (a line per epoch) elsewhere."""
    return 1 if sys.stdout.isatty() else 2


def _stop_in_time(stop_at: float | None) -> None:
    if stop_at is not None and time.monotonic() >= stop_at:
        raise OutOfTime


def _verbosity(verbose: int | None, cluster: Cluster) -> int:
    if not cluster.is_chief:
        return 0
    return bar_verbosity() if verbose is None else verbose


def _fit(
    fit: Callable[..., Any],
    batches: Callable[[int, int], tf.data.Dataset],
    epochs: int,
    backup: Backup,
) -> None:
    """Trains from the last backup to the end."""
    epoch, step, _ = backup.progress
    if backup.backed_up is not None and backup.cluster.is_chief:
        print(
            f"Continuing in epoch {min(epoch + 1, epochs)} of {epochs}, after {step} of "
            f"{backup.steps_per_epoch} steps",
            flush=True,
        )
    if step:
        # Within one `fit`, Keras expects the same number of batches in every epoch; this has fewer.
        fit(x=batches(epoch, step), initial_epoch=epoch, epochs=epoch + 1)
        epoch += 1
        if backup.model.stop_training:
            return
    # This call restores the backup even if no epoch is left.
    fit(x=batches(epoch, 0), initial_epoch=epoch, epochs=epochs)


def _callbacks(
    recipe: Recipe, dataset: Dataset, unfinished: UnfinishedRun, cluster: Cluster
) -> list[keras.callbacks.Callback]:
    from aae_tf.runs.training_callbacks import EpochLogs, StopAtNaN

    if not cluster.is_chief:
        return [StopAtNaN()]
    return [
        StopAtNaN(),
        EpochLogs(unfinished.logs),
        *figure_callbacks(recipe, dataset, unfinished.logs),
    ]


def _identity(recipe: Recipe, dataset: Dataset, deterministic: bool) -> dict[str, Any]:
    """Gives everything that determines the result, except the versions of packages."""
    checksum = 0
    for array in (dataset.x_train, dataset.y_train):
        checksum = (
            zlib.crc32(np.ascontiguousarray(array).data, checksum)
            if isinstance(array, np.ndarray)
            else array.checksum
        )
    return {
        **dataclasses.asdict(recipe),
        "deterministic": deterministic,
        "checksum_of_data": checksum,
    }


def _stopped(
    what: str, exit_code: int, backup: Backup, unfinished: UnfinishedRun, restart: bool
) -> UserError:
    """Makes the error of a training that ends early; without a backup, removes what it wrote."""
    last = backup.backed_up
    if last is None:
        if backup.cluster.is_chief:
            unfinished.remove()
        return UserError(f"{what}: nothing is written.", exit_code)
    return UserError(
        f"{what}. The same command{' without --restart' if restart else ''} continues in epoch "
        f"{last.epoch + 1} after {last.step} steps, from {unfinished.path}.",
        exit_code,
    )
