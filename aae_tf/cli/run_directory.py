"""What `aae-tf train` leaves, and the other commands read."""

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

from aae_tf.cli.errors import CommandError, bad_input
from aae_tf.cli.recipe import Recipe

if TYPE_CHECKING:
    from aae_tf.models import BaseModel

_MODEL = "model.keras"
_CONFIG = "config.json"
_HISTORY = "history.csv"


class Run(NamedTuple):
    """A finished run.

    Attributes:
        path: its directory.
        recipe: what it was trained with.
    """

    path: Path
    recipe: Recipe

    def load_model(self) -> BaseModel:
        """Loads the trained model."""
        import keras

        import aae_tf.models  # noqa: F401  (registers the classes that the file names)

        return keras.models.load_model(self.path / _MODEL)


def open_run(path: Path) -> Run:
    """Opens a run directory.

    Raises:
        CommandError: if `path` is none.
    """
    for name in (_CONFIG, _MODEL):
        if not (path / name).is_file():
            raise CommandError(
                "Expected RUN to be a directory that `aae-tf train` has written. "
                f"Received: {path}, where there is no {name}."
            )
    try:
        options = json.loads((path / _CONFIG).read_text())["options"]
        return Run(path, Recipe.from_json(options))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CommandError(
            f"Expected {path / _CONFIG} to be as `aae-tf train` writes it. Received: {error!r}."
        ) from error


def is_run_of(path: Path, recipe: Recipe) -> bool:
    """Tells whether a directory is a finished run of a recipe."""
    return (path / _CONFIG).is_file() and open_run(path).recipe == recipe


def check_new(path: Path) -> None:
    """Refuses a directory for a new run that holds something, or cannot be made.

    Raises:
        CommandError: if it is so.
    """
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise CommandError(
            f"Expected --out to be a new or an empty directory. Received: {path}, which exists."
        )
    ancestor = next(parent for parent in path.absolute().parents if parent.exists())
    if not ancestor.is_dir() or not os.access(ancestor, os.W_OK):
        raise CommandError(
            f"Expected --out to be where you can write. Received: {path}, below {ancestor}."
        )


def publish_run(finished: Path, out: Path) -> None:
    """Renames a finished directory to that of a run; what was there before is replaced.

    The run appears whole or not at all: it is on the disk before it is renamed.

    Args:
        finished: directory beside or below that of `out`.
        out: directory of the run.
    """
    from aae_tf.files import sync, sync_tree

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
    """Writes the model, what it was made with, and how training went.

    Args:
        path: directory of the run.
        model: the trained model.
        recipe: how it was built and trained.
        history: the logs of each epoch.
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


def write_file(path: Path, content: bytes) -> None:
    """Writes a file that is never seen half-written, and makes its directory.

    Raises:
        CommandError: if that is not allowed.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with bad_input(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(content)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
