"""Directories of finished runs: what they hold, how they are written, opened and published."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aae_tf.files import sync, sync_tree, write_new
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
        """Loads the trained model.

        Raises:
            UserError: if the file is damaged or holds another kind of model.
        """
        return load_model_file(self.path / _MODEL)


def load_model_file(path: Path) -> BaseModel:
    """Loads a model from a `.keras` file.

    Raises:
        UserError: if the file is not there, is damaged or holds another kind of model.
    """
    import keras

    from aae_tf.models import BaseModel  # registers the classes that the file names, too

    try:
        _check_archive(path)
        model = keras.models.load_model(path)
        if not isinstance(model, BaseModel):
            raise TypeError(f"a model of type {type(model).__name__}")
    # What is damaged surfaces as an error of zip, JSON, HDF5, Keras or a layer.
    except Exception as error:
        raise UserError(
            f"Expected {path} to be as `aae-tf train` writes it. Received: {_first_line(error)}."
        ) from error
    return model


def is_model_file(path: Path) -> bool:
    """Tells whether what stands for a run on the command line is a `.keras` file."""
    return path.suffix == ".keras" and not path.is_dir()


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
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(
            f"Expected {path / _CONFIG} to be as `aae-tf train` writes it. "
            f"Received: {_first_line(error)}."
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

    write_new(path / _MODEL, serialize_model(model))
    config = {
        "options": dataclasses.asdict(recipe),
        "epochs_trained": len(history),
        "versions": package_versions(),
    }
    write_new(path / _CONFIG, (json.dumps(config, indent=2) + "\n").encode())
    columns = dict.fromkeys(key for row in history for key in row)
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, ["epoch", *columns])
    writer.writeheader()
    writer.writerows({"epoch": i, **row} for i, row in enumerate(history, start=1))
    write_new(path / _HISTORY, table.getvalue().encode())


def serialize_model(model: BaseModel) -> bytes:
    """Gives what `model.save` writes to a `.keras` file.

    On a full disk, h5py ends the process by a segmentation fault when a file that it could not
    flush is collected. So it never writes to a disk here.
    """
    # `model.save` takes paths only.
    from keras.src.saving import saving_lib

    buffer = io.BytesIO()
    saving_lib.save_model(model, buffer)
    return buffer.getvalue()


def _check_archive(path: Path) -> None:
    """Checks the sums of a zip archive: HDF5 may crash on damaged content."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"Bad CRC-32 for file {damaged!r}")


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0].rstrip(".")
