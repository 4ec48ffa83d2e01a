"""Trains a recipe and fills its run directory."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aae_tf.cli.build import build_model
from aae_tf.cli.errors import CommandError, bad_input
from aae_tf.cli.figures import figure_callbacks, write_figures
from aae_tf.cli.recipe import Recipe
from aae_tf.cli.run_directory import new_run, write_run
from aae_tf.cli.training_data import training_data

if TYPE_CHECKING:
    import keras

    from aae_tf.data import Dataset
    from aae_tf.models import BaseModel


def train_run(
    recipe: Recipe,
    dataset: Dataset,
    out: Path,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int | None = None,
) -> None:
    """Trains a model and writes its run directory, which appears when it is complete.

    Interrupted by Ctrl-C after an epoch or more, it writes what there is to a directory of the
    same kind, `OUT-interrupted`.

    Args:
        recipe: what to train.
        dataset: with what.
        out: directory of the run.
        callbacks: further callbacks.
        verbose: as in `keras.Model.fit`; None asks `bar_verbosity`.

    Raises:
        CommandError: if the recipe does not fit the data, training diverges, or is interrupted.
    """
    import keras

    # Keras shuffles batches with the global generator.
    keras.utils.set_random_seed(recipe.seed)
    with bad_input(ValueError, TypeError):
        data = training_data(recipe, dataset)
        model = build_model(recipe, data)
    with new_run(out) as run:
        try:
            model.fit(
                **data.fit,
                epochs=recipe.epochs,
                callbacks=[*_callbacks(recipe, dataset, run), *callbacks],
                verbose=bar_verbosity() if verbose is None else verbose,
            )
        except KeyboardInterrupt as interrupt:
            epochs = len(model.history.epoch)
            if not epochs:
                raise CommandError("Interrupted: nothing is written.", exit_code=130) from interrupt
            _write(run, model, recipe, dataset)
            kept = run.rename(_free_name(out.with_name(f"{out.name}-interrupted")))
            raise CommandError(
                f"Interrupted after {epochs} of {recipe.epochs} epochs: the model so far is in "
                f"{kept}.",
                exit_code=130,
            ) from interrupt
        loss = model.history.history["loss"][-1]
        if not math.isfinite(loss):
            raise CommandError(
                f"The loss became {loss} in epoch {len(model.history.epoch)}: nothing is written. "
                "A lower --learning-rate may help.",
                exit_code=1,
            )
        _write(run, model, recipe, dataset)


def bar_verbosity() -> int:
    """Gives Keras' `verbose`: bars that move in a terminal, a line per epoch in a file."""
    return 1 if sys.stdout.isatty() else 2


def _callbacks(recipe: Recipe, dataset: Dataset, run: Path) -> list[keras.callbacks.Callback]:
    import keras

    logs = run / "logs"
    return [
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.TensorBoard(logs, write_graph=False),
        *figure_callbacks(recipe, dataset, logs),
    ]


def _write(run: Path, model: BaseModel, recipe: Recipe, dataset: Dataset) -> None:
    write_run(run, model, recipe)
    write_figures(run / "figures", model, recipe, dataset)


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}-{i}") for i in range(2, 1000))
    return path if not path.exists() else next(name for name in names if not name.exists())
