"""Short trainings from different weights, of which the best goes on."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from aae_tf.runs.errors import OutOfTime

if TYPE_CHECKING:
    import tensorflow as tf

    from aae_tf.models import BaseModel
    from aae_tf.runs.recipe import Recipe

Logs = tuple[dict[str, float], ...]


def best_start(
    recipe: Recipe,
    build: Callable[[Recipe], BaseModel],
    batches: Callable[[int, int], tf.data.Dataset],
    fit: dict[str, Any],
    stop_at: float | None = None,
    report: bool = True,
) -> tuple[BaseModel, Logs]:
    """Trains `recipe.starts` models for the first epochs, and returns the one of the lowest loss.

    The criterion is the training loss of the last of these epochs. Labels enter it only where the
    loss of the recipe has them, so that clusters are chosen without any. All starts see the same
    batches in the same order; their weights and noise differ.

    Args:
        recipe: recipe, of `start_epochs` epochs for each start.
        build: function that builds the compiled model of a recipe.
        batches: function of epoch and step that makes batches, see `training_batches`.
        fit: arguments of `fit` for validation.
        stop_at: reading of `time.monotonic` after which the training ends.
        report: whether to print the loss of each start.

    Returns:
        The model, with the state of its optimizers, and its logs of each epoch.

    Raises:
        FloatingPointError: if the loss of every start is not finite.
        OutOfTime: after `stop_at`.
    """
    best: tuple[float, BaseModel, Logs] | None = None
    for index in range(recipe.starts):
        model = build(dataclasses.replace(recipe, seed=start_seed(recipe.seed, index)))
        try:
            history = model.fit(
                x=batches(0, 0),
                epochs=recipe.start_epochs,
                callbacks=[_StopAt(stop_at)],
                verbose=0,
                **fit,
            ).history
        except FloatingPointError as error:
            # The guard ends a training of too many skipped updates; another start may do better.
            if report:
                print(f"Start {index + 1} of {recipe.starts}: {error}", flush=True)
            continue
        loss = history["loss"][-1]
        if report:
            print(f"Start {index + 1} of {recipe.starts}: loss {loss:.4f}", flush=True)
        if math.isfinite(loss) and (best is None or loss < best[0]):
            rows = zip(*history.values(), strict=True)
            best = loss, model, tuple(dict(zip(history, row, strict=True)) for row in rows)
    if best is None:
        raise FloatingPointError(f"The loss of all {recipe.starts} starts is not finite.")
    return best[1:]


def start_seed(seed: int, index: int) -> int:
    """Gives the seed of the weights of a start; the first has that of the recipe."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0]) if index else seed


class _StopAt(keras.callbacks.Callback):
    """Ends a training by `OutOfTime` after a reading of `time.monotonic`."""

    def __init__(self, stop_at: float | None) -> None:
        super().__init__()
        self._stop_at = math.inf if stop_at is None else stop_at

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Compares the clock after each execution of the compiled function."""
        if time.monotonic() >= self._stop_at:
            raise OutOfTime
