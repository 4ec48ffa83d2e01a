"""Sources of a server's list of models: a folder, or TensorFlow Serving's models.config."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Protocol

from aae_tf.export.serving_protos import parse_text
from aae_tf.serving.errors import ServerError, ServingError
from aae_tf.serving.models.model_config import ModelConfig, read_model_configs, version_folders

_LOGGER = logging.getLogger("aae_tf.serving")


class ModelSource(Protocol):
    """Returns the list of models as it is now.

    Attributes:
        interval: Seconds after which to read again; 0: never.
    """

    interval: float

    def read(self) -> list[ModelConfig]:
        """Returns the models.

        Raises:
            ServerError: in one line, if the list cannot be read.
        """
        ...


class FolderSource:
    """Every folder of a root that holds at least one version is a model of that name.

    Args:
        root: folder of the models.
        interval: seconds after which to look again; 0: never.
    """

    def __init__(self, root: str | os.PathLike[str], interval: float = 0.0) -> None:
        self._root = Path(root)
        self._warned = False
        self.interval = interval

    def read(self) -> list[ModelConfig]:
        """Returns the models; see `ModelSource`."""
        root = self._root
        try:
            # Paths are absolute, so that a change of the working directory changes nothing.
            folders = [
                entry.absolute()
                for entry in sorted(root.iterdir())
                if entry.is_dir() and not self._is_lost_and_found(entry)
            ]
            configs = [ModelConfig(path.name, path) for path in folders if version_folders(path)]
        except OSError as error:
            raise ServerError(
                "Expected `root` to be a readable folder. "
                f"Received: root={root} ({error.strerror})."
            ) from error
        if not configs:
            raise ServerError(
                "Expected `root` to hold a folder per model, with a numbered folder per version "
                f"in it, such as ROOT/encoder/1. Received: root={root}."
            )
        return configs

    def _is_lost_and_found(self, entry: Path) -> bool:
        """Tells whether a file system made the folder; only the administrator may look inside."""
        if entry.name != "lost+found":
            return False
        if not self._warned:
            _LOGGER.warning("%s is skipped: it is the file system's", entry)
            self._warned = True
        return True


class FixedSource:
    """A list of models that never changes.

    Args:
        configs: the models.
    """

    interval = 0.0

    def __init__(self, configs: list[ModelConfig]) -> None:
        self._configs = configs

    def read(self) -> list[ModelConfig]:
        """Returns the models."""
        return self._configs


class FileSource:
    """The models of a `ModelServerConfig` in text form, the real server's models.config.

    Args:
        path: the file.
        interval: seconds after which to read it again; 0: never.
    """

    def __init__(self, path: str | os.PathLike[str], interval: float = 0.0) -> None:
        self._path = Path(path)
        self.interval = interval

    def read(self) -> list[ModelConfig]:
        """Returns the models; see `ModelSource`."""
        text = read_text_file("model_config_file", self._path)
        try:
            return read_model_configs(parse_text("ModelServerConfig", text))
        except (ValueError, ServingError) as error:
            reason = error.message if isinstance(error, ServingError) else str(error)
            raise ServerError(f"model_config_file={self._path}: {reason}") from error


def read_text_file(argument: str, path: str | os.PathLike[str]) -> str:
    """Reads an operator's file.

    Args:
        argument: whose file it is, for the error.
        path: the file.

    Raises:
        ServerError: it cannot be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ServerError(
            f"Expected `{argument}` to be a readable text file. "
            f"Received: {argument}={path} ({reason})."
        ) from error
