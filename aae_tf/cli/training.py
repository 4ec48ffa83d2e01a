"""Trains a recipe and fills its run directory."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from aae_tf.cli.build import build_model
from aae_tf.cli.errors import CommandError, bad_input
from aae_tf.cli.figures import figure_callbacks, write_figures
from aae_tf.cli.recipe import Recipe
from aae_tf.cli.run_directory import check_new, is_run_of, write_run
from aae_tf.cli.training_data import (
    batch_sizes,
    training_batches,
    training_data,
    used_labels,
)

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from aae_tf.cli.backup import Backup
    from aae_tf.cli.unfinished_run import UnfinishedRun
    from aae_tf.cli.workers import Workers
    from aae_tf.data import Dataset


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
    workers: Workers | None = None,
) -> None:
    """Trains a model and writes its run directory, which appears when it is complete.

    Until then all is in `OUT.partial`, with backups. Stopped at any moment, by whatever, the same
    call with `restart=False` goes on from the last backup, with the batches and the random numbers
    of a training that was not stopped.

    Args:
        recipe: what to train.
        dataset: with what.
        out: directory of the run.
        callbacks: further callbacks.
        verbose: as in `keras.Model.fit`; None asks `bar_verbosity`.
        restart: whether to begin anew, replacing what is there; otherwise an unfinished run is
            continued, and `out` must be new or empty.
        backup_every: steps from one backup to the next, see `Backup`.
        deterministic: whether TensorFlow computes the same sums in the same order every time, for
            the rest of the process.
        workers: those who train together; None is this process, on one device.

    Raises:
        CommandError: if the recipe does not fit the data, another recipe's unfinished run is in
            the way, training diverges, is interrupted, or loses a worker.
    """
    import keras
    import tensorflow as tf

    from aae_tf.cli.backup import Backup
    from aae_tf.cli.unfinished_run import UnfinishedRun
    from aae_tf.cli.workers import Workers
    from aae_tf.data.check_training_data import check_training_data

    workers = workers or Workers()
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    # For whatever draws without a seed of its own; nothing of this package does.
    keras.utils.set_random_seed(recipe.seed)
    with bad_input(ValueError, TypeError):
        data = training_data(recipe, dataset)
        workers.check_batch(batch_sizes(recipe, dataset))
        with workers.scope():
            model = build_model(recipe, data)
        # What `fit` does to arrays; it gets batches, in an order that a new process knows.
        labels = used_labels(recipe, dataset)
        check_training_data(dataset.x_train, labels, "x_train")
        model.check_labels(labels)
    unfinished = UnfinishedRun(out)
    with workers.held_together(), contextlib.ExitStack() as held:

        def begin() -> None:
            held.enter_context(unfinished.held())
            if not restart:
                # Another process may have finished it just now.
                check_new(out)
            unfinished.prepare(_identity(recipe, dataset, deterministic), restart)

        workers.let_chief(begin)
        backup = Backup(unfinished.backups, data.steps_per_epoch, workers, backup_every)
        try:
            _fit(
                functools.partial(
                    model.fit,
                    **data.fit,
                    callbacks=[
                        *_callbacks(recipe, dataset, unfinished, workers),
                        *callbacks,
                        backup,
                    ],
                    verbose=_verbosity(verbose, workers),
                ),
                lambda *place: workers.share_out(training_batches(recipe, dataset, *place)),
                recipe.epochs,
                backup,
            )
            if workers.is_chief:
                write_run(unfinished.run, model, recipe, backup.progress.history)
                write_figures(unfinished.run / "figures", model, recipe, dataset)
        except FloatingPointError as error:
            # The same command would come here again.
            if workers.is_chief:
                unfinished.remove()
            raise CommandError(
                f"{error} Nothing is written. A lower --learning-rate may help.", exit_code=1
            ) from error
        except KeyboardInterrupt as interrupt:
            raise _interrupted(recipe, backup, unfinished) from interrupt
        if workers.is_chief:
            unfinished.publish()
        workers.part(lambda: is_run_of(out, recipe))


def bar_verbosity() -> int:
    """Gives Keras' `verbose`: bars that move in a terminal, a line per epoch in a file."""
    return 1 if sys.stdout.isatty() else 2


def _verbosity(verbose: int | None, workers: Workers) -> int:
    if not workers.is_chief:
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
    if (epoch or step) and backup.workers.is_chief:
        typer.echo(
            f"Continuing in epoch {min(epoch + 1, epochs)} of {epochs}, after {step} of "
            f"{backup.steps_per_epoch} steps"
        )
    if step:
        # Keras has one number of batches for all epochs of a fit; this one has fewer.
        fit(x=batches(epoch, step), initial_epoch=epoch, epochs=epoch + 1)
        epoch += 1
        if backup.model.stop_training:
            return
    # Restores the backup even if no epoch is left.
    fit(x=batches(epoch, 0), initial_epoch=epoch, epochs=epochs)


def _callbacks(
    recipe: Recipe, dataset: Dataset, unfinished: UnfinishedRun, workers: Workers
) -> list[keras.callbacks.Callback]:
    from aae_tf.cli.epoch_logs import EpochLogs
    from aae_tf.cli.stop_at_nan import StopAtNaN

    if not workers.is_chief:
        return [StopAtNaN()]
    return [
        StopAtNaN(),
        EpochLogs(unfinished.logs),
        *figure_callbacks(recipe, dataset, unfinished.logs),
    ]


def _identity(recipe: Recipe, dataset: Dataset, deterministic: bool) -> dict[str, Any]:
    """Gives all that decides the result, but for the versions of packages."""
    checksum = 0
    for array in (dataset.x_train, dataset.y_train):
        checksum = zlib.crc32(np.ascontiguousarray(array).data, checksum)
    return {
        **dataclasses.asdict(recipe),
        "deterministic": deterministic,
        "checksum_of_data": checksum,
    }


def _interrupted(recipe: Recipe, backup: Backup, unfinished: UnfinishedRun) -> CommandError:
    kept = backup.backed_up
    if kept is None:
        if backup.workers.is_chief:
            unfinished.remove()
        return CommandError("Interrupted: nothing is written.", exit_code=130)
    return CommandError(
        f"Interrupted in epoch {backup.progress.epoch + 1} of {recipe.epochs}. The same command "
        f"continues in epoch {kept.epoch + 1} after {kept.step} steps, from {unfinished.path}.",
        exit_code=130,
    )
