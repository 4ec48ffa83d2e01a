"""Which models and versions there are, and which one answers a request."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

import grpc

from aae_tf.export.saved_model_session import SavedModelSession
from aae_tf.serving.errors import ServerError, ServingError, invalid_argument
from aae_tf.serving.servable import Servable

_LOGGER = logging.getLogger("aae_tf.serving")
_MAX_INT64 = 2**63 - 1


class ModelManager:
    """Finds the models under a folder, loads each one's highest version and hands them out.

    A model is a folder of `root` that holds at least one version: an entry whose whole name is
    a number. Other names, such as those of exports still being written, are ignored.

    Args:
        root: Folder of the models.

    Raises:
        ServerError: `root` is missing, or holds no model.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._paths = _find_models(Path(root))
        self._servables: dict[str, Servable] = {}

    @property
    def models(self) -> dict[str, int]:
        """The version that is served of each model, by name; empty before `load`."""
        return {name: servable.version for name, servable in self._servables.items()}

    def load(self) -> None:
        """Loads the highest version of every model.

        Raises:
            ServerError: a version does not load; the message names it and the reason.
        """
        for name, (version, path) in self._paths.items():
            try:
                session = SavedModelSession(path)
            except ValueError as error:
                self.close()
                raise ServerError(
                    f"Expected version {version} of model {name!r} to load. Received: {error}"
                ) from error
            self._servables[name] = Servable(name, version, session)
            _LOGGER.info("Loaded version %d of model %s from %s", version, name, path)

    def get(self, name: str, version: int | None = None, label: str | None = None) -> Servable:
        """Returns the servable that answers a request.

        Args:
            name: The model's name.
            version: Its version. Defaults to the highest.
            label: A version label. None is assigned so far, so every label is unknown.

        Raises:
            ServingError: INVALID_ARGUMENT without a name or for an unknown label, NOT_FOUND
                for an unknown model or version.
        """
        if not name:
            raise invalid_argument("ModelSpec has no name specified.")
        if label is not None:
            raise invalid_argument(f"Unrecognized servable version label: {label}")
        servable = self._servables.get(name)
        if servable is None or version not in (None, servable.version):
            wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise ServingError(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {wanted}"
            )
        return servable

    def close(self) -> None:
        """Unloads every model."""
        while self._servables:
            _, servable = self._servables.popitem()
            servable.session.close()


def _find_models(root: Path) -> dict[str, tuple[int, Path]]:
    """Returns the highest version's number and path for every model under `root`."""
    models = {}
    try:
        for folder in sorted(entry for entry in root.iterdir() if entry.is_dir()):
            versions = [
                (int(entry.name), entry)
                for entry in folder.iterdir()
                if re.fullmatch("[0-9]+", entry.name) and int(entry.name) <= _MAX_INT64
            ]
            if versions:
                models[folder.name] = max(versions)
    except OSError as error:
        raise ServerError(
            f"Expected `root` to be a readable folder. Received: root={root} ({error.strerror})."
        ) from error
    if not models:
        raise ServerError(
            "Expected `root` to hold a folder per model, with a numbered folder per version "
            f"in it, such as ROOT/encoder/1. Received: root={root}."
        )
    return models
