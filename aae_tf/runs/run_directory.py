"""Directories of finished runs: what they hold, how they are written, opened and published."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aae_tf.files import sync, sync_tree
from aae_tf.runs.errors import UserError
from aae_tf.runs.recipe import Recipe

if TYPE_CHECKING:
    from aae_tf.models import BaseModel

_MODEL = "model.keras"
_CONFIG = "config.json"
_HISTORY = "history.csv"


class Run(NamedTuple):
    """A finished run.

    Attributes:
        path: directory of the run.
        recipe: recipe of its training.
    """

    path: Path
    recipe: Recipe

    def load_model(self) -> BaseModel:
        """Loads the trained model."""
        import keras

        import aae_tf.models  # noqa: F401  (registers the classes that the file names)

        return keras.models.load_model(self.path / _MODEL)


def open_run(path: Path) -> Run:
    """Opens the directory of a finished run.

    Raises:
        UserError: if `path` is not one.
    """
    for name in (_CONFIG, _MODEL):
        if not (path / name).is_file():
            raise UserError(
                "Expected RUN to be a directory that `aae-tf train` has written. "
                f"Received: {path}, where there is no {name}."
            )
    try:
        options = json.loads((path / _CONFIG).read_text())["options"]
        return Run(path, Recipe.from_json(options))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"Expected {path / _CONFIG} to be as `aae-tf train` writes it. Received: {error!r}."
        ) from error


def is_run_of(path: Path, recipe: Recipe) -> bool:
    """Tells whether a directory is a finished run of a recipe."""
    return (path / _CONFIG).is_file() and open_run(path).recipe == recipe


def check_new(path: Path) -> None:
    """Checks that a new run can be written to a directory.

    Raises:
        UserError: if the directory holds something, or cannot be made.
    """
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise UserError(
            f"Expected --out to be a new or an empty directory. Received: {path}, which exists."
        )
    ancestor = next(parent for parent in path.absolute().parents if parent.exists())
    if not ancestor.is_dir() or not os.access(ancestor, os.W_OK):
        raise UserError(
            f"Expected --out to be where you can write. Received: {path}, below {ancestor}."
        )


def publish_run(finished: Path, out: Path) -> None:
    """Renames a finished directory to the directory of a run, which it replaces.

    The run appears as a whole or not at all, as it is on the disk before it is renamed.

    Args:
        finished: directory of the same parent as `out`, or in one of it.
        out: directory of the run.
    """
    sync_tree(finished)
    previous = None
    if out.exists():
        previous = Path(tempfile.mkdtemp(prefix=f"tmp-{out.name}-", dir=out.parent))
        out.replace(previous)
    try:
        finished.rename(out)
    except BaseException:
        if previous is not None:
            previous.replace(out)
        raise
    sync(out.parent)
    if previous is not None:
        shutil.rmtree(previous)


def write_run(
    path: Path, model: BaseModel, recipe: Recipe, history: Sequence[Mapping[str, float]]
) -> None:
    """Writes the model, its recipe with package versions, and the history of its training.

    Args:
        path: directory of the run.
        model: the trained model.
        recipe: recipe that it was built and trained by.
        history: logs of each epoch.
    """
    from aae_tf.export.model_card import package_versions

    model.save(path / _MODEL)
    config = {
        "options": dataclasses.asdict(recipe),
        "epochs_trained": len(history),
        "versions": package_versions(),
    }
    (path / _CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    with (path / _HISTORY).open("w", newline="") as file:
        columns = dict.fromkeys(key for row in history for key in row)
        writer = csv.DictWriter(file, ["epoch", *columns])
        writer.writeheader()
        writer.writerows({"epoch": i, **row} for i, row in enumerate(history, start=1))
