"""The command `aae-tf deploy`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

import aae_tf
from aae_tf.runs.errors import UserError, as_user_error

# Where the wheel has the files, and where a checkout has them.
_PACKAGE = Path(aae_tf.__file__).parent
_SOURCES = (_PACKAGE / "deployment", _PACKAGE.parent / "serving")


def deploy(
    to: Annotated[
        Path,
        typer.Option(
            help="Folder that gets the files, new or empty; edit them there.", metavar="FOLDER"
        ),
    ],
) -> None:
    """Write the files that run TensorFlow Serving: compose, Kubernetes, configuration, probes.

    FOLDER/README.md says what each is for. **MODELS_DIR=/abs/path docker compose up** works there,
    and **kubectl apply -k FOLDER**.
    """
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise UserError(
            f"Expected --to to be a new or an empty directory. Received: {to}, which exists."
        )
    with as_user_error(OSError, shutil.Error):
        shutil.copytree(_files(), to, dirs_exist_ok=True)
    typer.echo(f"Next: read {to / 'README.md'}")


def _files() -> Path:
    """Finds the deployment files of this installation."""
    return next(path for path in _SOURCES if (path / "compose.yaml").is_file())
