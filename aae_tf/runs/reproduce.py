"""Trains and measures rows of the paper's tables, one after the other, within a budget of time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aae_tf.files import make_directory, write_atomically
from aae_tf.runs.errors import OutOfTime, UserError, as_user_error
from aae_tf.runs.named_recipes import make_recipe
from aae_tf.runs.recipe import Recipe
from aae_tf.runs.reproduction_results import (
    Result,
    open_results,
    rows_table,
    summarize,
)
from aae_tf.runs.reproduction_rows import ROWS
from aae_tf.runs.run_directory import is_run_of, open_run
from aae_tf.runs.training import train_run

if TYPE_CHECKING:
    from aae_tf.data import Dataset
    from aae_tf.models import BaseModel

# Time that a training leaves to the measurement that follows it: that of a compilation, and a share
# of what is left; at most half of that.
_SECONDS_TO_MEASURE, _SHARE_TO_MEASURE = 20.0, 0.05

Load = Callable[[Recipe], "Dataset"]


class Job(NamedTuple):
    """One training, and the row whose figure it gives.

    Attributes:
        row: key of `ROWS`.
        kind: kind of the recipe.
        name: key of `RECIPES`.
        recipe: the recipe with its data and its seed.
    """

    row: str
    kind: str
    name: str
    recipe: Recipe

    @property
    def title(self) -> str:
        """What the job is, for a line of the terminal."""
        return f"{self.row}, {self.name}, seed {self.recipe.seed}"


def plan(chosen: dict[str, tuple[str, ...]], kind: str, seeds: int, data: str | None) -> list[Job]:
    """Lists the trainings of rows.

    Args:
        chosen: names of recipes by row.
        kind: their kind.
        seeds: number of seeds, from 0 on.
        data: data set in place of that of the recipes; None keeps it.
    """
    options = {} if data is None else {"data": data}
    return [
        Job(row, kind, name, make_recipe({**options, "seed": seed}, name))
        for row, names in chosen.items()
        for name in names
        for seed in range(seeds)
    ]


def fit_to_data(jobs: Sequence[Job], load: Load) -> list[Job]:
    """Lets recipes keep all labels of data that have fewer than they ask for.

    Raises:
        UserError: if the data cannot be loaded.
    """
    fitted = []
    for job in jobs:
        recipe = job.recipe
        if recipe.labels and recipe.labels > 100:
            whole = load(replace(recipe, labels=None, labelled_batch=None, unlabelled_batch=None))
            if recipe.labels > len(whole.y_train):
                options = {"data": recipe.data, "seed": recipe.seed, "labels": None}
                recipe = make_recipe(options, job.name)
        fitted.append(job._replace(recipe=recipe))
    return fitted


def reproduce(
    jobs: Sequence[Job],
    out: Path,
    load: Load,
    stop_at: float | None = None,
    report: Callable[[str], None] = print,
    verbose: int | None = None,
) -> dict[str, Any]:
    """Trains and measures what is missing, and writes the results after every job.

    OUT gets `results.json`, see `summarize`; `results.md`, the rows beside the paper's figures;
    `recipes/NAME.json`, the results of a recipe by seed; and `runs/NAME-SEED`, the directory of
    each run. A job whose result is there is not repeated; one that was interrupted, or cut short,
    is resumed from its backup. The test split is read once for each training, after it, and once
    more each time that it is cut short: the figures of a run are drawn from its validation split.

    Args:
        jobs: trainings.
        out: folder of results.
        load: function that loads the data of a recipe.
        stop_at: reading of `time.monotonic` at which all ends; what is cut short is marked so.
        report: function that is told what is done.
        verbose: as in `keras.Model.fit`; None takes that of `train_run`.

    Returns:
        What `results.json` holds.

    Raises:
        UserError: if `out` cannot be written, or a training fails.
    """
    with as_user_error(OSError):
        make_directory(out / "runs")
    for number, job in enumerate(jobs, start=1):
        results = open_results(out / "recipes", job.name, job.recipe)
        before = results.results.get(job.recipe.seed)
        prefix = f"[{number}/{len(jobs)}] {job.title}"
        if before is not None and not before.cut_short:
            report(f"{prefix}: {before.figure:.2f}, measured before")
            continue
        if stop_at is not None and time.monotonic() >= stop_at:
            report(f"{prefix}: not begun, the budget is used up")
            continue
        report(f"{prefix}: training")
        result = _run(job, out, load(job.recipe), stop_at, verbose)
        if result is None:
            report(f"{prefix}: cut short before the first backup, without a result")
            continue
        results.add(result)
        mark = f", cut short after {result.epochs} epochs" if result.cut_short else ""
        report(f"{prefix}: {result.figure:.2f} ({ROWS[job.row].figure}){mark}")
        _write(jobs, out)
    return _write(jobs, out)


def _run(
    job: Job, out: Path, dataset: Dataset, stop_at: float | None, verbose: int | None
) -> Result | None:
    """Trains a job, as far as the time carries, and measures it; None without a backup."""
    import keras

    from aae_tf.runs.training_callbacks import ProcessorClock
    from aae_tf.runs.training_data import halve_validation, training_data

    recipe = job.recipe
    own = make_recipe({}, job.name).data == recipe.data
    name = job.name if own else f"{job.name}-{recipe.data.replace('/', '-')}"
    path = out / "runs" / f"{name}-{recipe.seed}"
    clock = ProcessorClock(path.with_name(f"{path.name}.cpu.json"))
    keras.utils.clear_session()
    cut_short = False
    steps_per_epoch = training_data(recipe, dataset).steps_per_epoch
    finished = is_run_of(path, recipe)
    if not finished and path.exists():
        raise UserError(
            f"Expected {path} to be a run of {job.name} as it is today: remove it, or give another "
            "--out. Received: a run of other settings."
        )
    if not finished:
        blind = dataset
        if len(dataset.x_validation):
            blind = replace(dataset, x_test=dataset.x_validation, y_test=dataset.y_validation)
        try:
            train_run(recipe, blind, path, [clock], verbose, restart=False, stop_at=_end(stop_at))
        except OutOfTime:
            cut_short = True
    if cut_short:
        restored = _restore(path, recipe, dataset)
        if restored is None:
            return None
        model, epochs, steps = restored
        # The epoch under way counts, too, when the training is resumed.
        clock.write()
    else:
        model = open_run(path).load_model()
        epochs, steps = recipe.epochs, recipe.epochs * steps_per_epoch
    spent, measure = clock.minutes, ROWS[job.row].measure
    validation = None
    if len(dataset.x_validation):
        halved = halve_validation(dataset)
        validation = measure(model, halved, halved.x_test, halved.y_test)
    figure = measure(model, dataset, dataset.x_test, dataset.y_test)
    return Result(recipe.seed, figure, validation, epochs, steps, spent, cut_short)


def _end(stop_at: float | None) -> float | None:
    """Gives the time at which the training ends, so that its measurement is within the budget."""
    if stop_at is None:
        return None
    left = stop_at - time.monotonic()
    return stop_at - min(0.5 * left, _SECONDS_TO_MEASURE + _SHARE_TO_MEASURE * left)


def _restore(path: Path, recipe: Recipe, dataset: Dataset) -> tuple[BaseModel, int, int] | None:
    """Restores the model of an unfinished run, with its epochs and steps."""
    from aae_tf.runs.backup import Progress, load_backup, newest_backup
    from aae_tf.runs.builders import build_model
    from aae_tf.runs.training_data import training_data
    from aae_tf.runs.unfinished_run import UnfinishedRun

    backup = newest_backup(UnfinishedRun(path).backups)
    if backup is None:
        return None
    data = training_data(recipe, dataset)
    model = build_model(recipe, data)
    load_backup(model, backup)
    progress = Progress.read(backup)
    return model, progress.epoch, progress.epoch * data.steps_per_epoch + progress.step


def _write(jobs: Sequence[Job], out: Path) -> dict[str, Any]:
    chosen: dict[str, dict[str, dict[str, Recipe]]] = {}
    for job in jobs:
        chosen.setdefault(job.row, {}).setdefault(job.kind, {})[job.name] = job.recipe
    summary: dict[str, Any] = summarize(out / "recipes", chosen)
    with as_user_error(OSError):
        write_atomically(out / "results.json", (json.dumps(summary, indent=1) + "\n").encode())
        write_atomically(out / "results.md", rows_table(summary).encode())
    return summary
