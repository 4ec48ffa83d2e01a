"""Steps that several commands share: import TensorFlow, load data, write a file."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aae_tf.files import write_atomically
from aae_tf.runs.detection import keep_normal
from aae_tf.runs.errors import as_user_error
from aae_tf.runs.recipe import Recipe

if TYPE_CHECKING:
    from aae_tf.data import Dataset


def import_quietly() -> None:
    """Imports TensorFlow without the log lines that it prints meanwhile and later.

    TensorFlow prints those of its import before it reads any log level, so the file descriptor of
    stderr is redirected meanwhile; they are printed after all if the import fails. Nothing is
    hidden if TF_CPP_MIN_LOG_LEVEL asks for information or warnings.
    """
    # Level 3 hides errors such as a missing GPU too. Errors that matter are raised in Python.
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "tensorflow" in sys.modules or level in ("0", "1"):
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        except BaseException:
            log.seek(0)
            os.write(stderr, log.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def load_data(recipe: Recipe) -> Dataset:
    """Imports TensorFlow, and loads the data of a recipe with the labels that it keeps.

    Of the task "anomaly", the training and validation splits have normal rows alone.

    Raises:
        UserError: if the data are not on this machine or cannot be used.
    """
    import_quietly()
    from aae_tf import data

    given = {"validation": recipe.validation, "test": recipe.test}
    shares: dict[str, Any] = {name: share for name, share in given.items() if share is not None}
    windows: dict[str, Any] = {}
    if recipe.time_column is not None:
        names = ("time_column", "window", "stride", "largest_gap")
        windows = {name: getattr(recipe, name) for name in names}
    exclude = [] if recipe.exclude_columns is None else recipe.exclude_columns.split(",")
    with as_user_error(ValueError, TypeError, OSError):
        dataset = data.load(
            recipe.data,
            labels=recipe.labels,
            seed=recipe.seed,
            label_column=recipe.label_column,
            kinds=_parse_kinds(recipe.column_kinds),
            exclude=exclude,
            **windows,
            **shares,
        )
    return keep_normal(dataset) if recipe.task == "anomaly" else dataset


def _parse_kinds(text: str | None) -> dict[str, str]:
    """Parses "NAME=KIND,NAME=KIND".

    Raises:
        ValueError: if a part has no "=".
    """
    parts = [] if text is None else text.split(",")
    for part in parts:
        if "=" not in part:
            raise ValueError(
                "Expected `column_kinds` to be NAME=KIND with commas between them. "
                f"Received: column_kinds={text!r}."
            )
    return dict(part.rsplit("=", 1) for part in parts)


def write_file(path: Path, content: bytes) -> None:
    """Writes a file atomically, and makes its directory.

    Raises:
        UserError: if the operating system refuses; of exit code 1 if the disk does.
    """
    with as_user_error(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
