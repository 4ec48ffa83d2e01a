"""The command `aae-tf reproduce`."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aae_tf.checks import check_dimension, check_positive
from aae_tf.cli.common import import_quietly, load_data
from aae_tf.runs.errors import UserError, as_user_error
from aae_tf.runs.recipe import Recipe
from aae_tf.runs.reproduction_results import rows_table
from aae_tf.runs.reproduction_rows import KINDS, ROWS, choose_rows

if TYPE_CHECKING:
    from aae_tf.data import Dataset


def reproduce(
    names: Annotated[
        list[str],
        typer.Argument(
            help=f"Rows of the paper's tables, or **all**: {', '.join(ROWS)}.", metavar="NAME..."
        ),
    ],
    recipe: Annotated[
        str,
        typer.Option(
            help="**paper**: its own settings, thousands of epochs; **improved**; **mmd**: no "
            "adversary on any code; **conv**: convolutions, noise and moved images; **preset**: "
            "what **aae-tf train --recipe** has under the same name, in less time.",
            metavar="|".join(KINDS),
        ),
    ] = "improved",
    seeds: Annotated[
        int, typer.Option(help="Number of seeds, from 0 on.", metavar="N", show_default=True)
    ] = 1,
    budget: Annotated[
        float | None,
        typer.Option(
            help="Time of the whole command; what is cut short is marked so.", metavar="MINUTES"
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Another data set than the recipe's: **digits** for a quick try.", metavar="NAME"
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the results.", metavar="FOLDER")] = Path(
        "runs/reproduce"
    ),
) -> None:
    """Train and measure rows of the paper's tables, beside the paper's numbers.

    FOLDER gets results.json, results.md and runs/, a run directory for each training, and
    recipes/, the results of each recipe by seed. **The same command goes on** where the last one
    ended; a training whose result is there is not repeated.
    """
    with as_user_error(ValueError, TypeError):
        chosen = choose_rows(names, recipe)
        check_dimension("--seeds", seeds)
        if budget is not None:
            check_positive("--budget", budget)
    stop_at = None if budget is None else time.monotonic() + 60.0 * budget
    import_quietly()
    from aae_tf.data.files import is_path
    from aae_tf.runs import reproduce as reproduction
    from aae_tf.runs.training_cost import (
        count_operations,
        estimate_minutes,
        operations_per_second,
    )

    if data is not None and is_path(data):
        raise UserError(
            "Expected --data to be the name of a data set, such as digits or mnist. "
            f"Received: --data {data}."
        )
    load = _Loader()
    jobs = reproduction.fit_to_data(reproduction.plan(chosen, recipe, seeds, data), load)
    speed = operations_per_second()
    minutes = [
        # All seeds take the same time, and the data of seed 0 are loaded.
        estimate_minutes(
            count_operations(job.recipe, load(dataclasses.replace(job.recipe, seed=0))), speed
        )
        for job in jobs
    ]
    limit = "" if budget is None else f"; the budget is {budget:g} min"
    typer.echo(
        f"{len(jobs)} trainings, about {_duration(sum(minutes))} on this machine{limit}. "
        "What is there already is not repeated."
    )
    for job, each in zip(jobs, minutes, strict=True):
        typer.echo(f"  {job.title}: about {_duration(each)}")
    summary = reproduction.reproduce(jobs, out, load, stop_at, typer.echo)
    typer.echo(rows_table(summary))
    typer.echo(f"Written to {out / 'results.json'} and {out / 'results.md'}")


class _Loader:
    """Loads the data of recipes, and keeps those of the last few."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[object, ...], Dataset] = {}

    def __call__(self, recipe: Recipe) -> Dataset:
        key = (recipe.data, recipe.labels, recipe.validation, recipe.seed)
        if key not in self._loaded:
            # Two of MNIST take 0.4 GB.
            for old in list(self._loaded)[:-1]:
                del self._loaded[old]
            self._loaded[key] = load_data(recipe)
        return self._loaded[key]


def _duration(minutes: float) -> str:
    return f"{minutes:.1f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
