"""Changes to a running server: its list of models, and their versions."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import grpc
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest

from aae_tf.serving.errors import ServerError, ServingError, invalid_argument
from aae_tf.serving.models.model_config import ModelConfig, read_model_configs
from aae_tf.serving.models.model_manager import ModelManager
from aae_tf.serving.models.model_sources import ModelSource

_LOGGER = logging.getLogger("aae_tf.serving")


class ModelWatcher:
    """Reads the list of models, looks for new versions, and tells the manager, in a thread.

    Args:
        manager: What loads and unloads.
        source: Where the list of models comes from.
        poll_interval: Seconds between two looks for versions; 0 looks once, at the start.
    """

    def __init__(self, manager: ModelManager, source: ModelSource, poll_interval: float) -> None:
        self._manager = manager
        self._source = source
        self._intervals = {self._read_source: source.interval, manager.poll: poll_interval}
        self._configs: Sequence[ModelConfig] = ()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Loads every model, then watches.

        Raises:
            ServerError: the list of models cannot be read, or one does not load.
        """
        self._configs = self._source.read()
        try:
            self._manager.configure(self._configs)
            self._manager.check_all_serve()
        except ServingError as error:
            raise ServerError(error.message) from error
        if any(self._intervals.values()):
            self._thread = threading.Thread(target=self._watch, name="model-watcher", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stops watching; a version that is being loaded is awaited."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        due = {look: time.monotonic() + every for look, every in self._intervals.items() if every}
        while not self._stopped.wait(max(0.0, min(due.values()) - time.monotonic())):
            for look in [look for look, when in due.items() if when <= time.monotonic()]:
                try:
                    look()
                except (ServerError, ServingError) as error:
                    _LOGGER.warning("The models stay as they are: %s", error)
                except Exception:  # nobody would notice that the thread had ended
                    _LOGGER.exception("The models stay as they are")
                due[look] = time.monotonic() + self._intervals[look]

    def _read_source(self) -> None:
        configs = self._source.read()
        if configs != self._configs:
            self._manager.configure(configs)
            self._configs = configs


def reload_config(manager: ModelManager, request: ReloadConfigRequest, root: Path | None) -> None:
    """Replaces the list of models, where the operator allows it, and returns when they serve.

    Differs from the real server, which lets any client load any folder that its process can
    read, and waits without end for a folder that is not there: models must lie under `root`, and
    their folders must exist.

    Args:
        manager: What serves.
        request: The new list of models.
        root: Folder that models must lie under; None allows no reload at all.

    Raises:
        ServingError: PERMISSION_DENIED without `root` or out of it, NOT_FOUND for a folder that
            is not there, INVALID_ARGUMENT and FAILED_PRECONDITION as `read_model_configs` and
            `ModelManager.configure` have it, with nothing changed; and the error of a new model
            that does not load.
    """
    if root is None:
        raise ServingError(
            grpc.StatusCode.PERMISSION_DENIED,
            "Reloading is off: start the server with a reload root to allow it.",
        )
    if not request.HasField("config"):
        raise invalid_argument("Expected a ReloadConfigRequest with a config.")
    configs = read_model_configs(request.config)
    allowed = root.resolve()
    for config in configs:
        if not config.base_path.resolve().is_relative_to(allowed):
            raise ServingError(
                grpc.StatusCode.PERMISSION_DENIED,
                f"Expected the base_path of model {config.name} to be under the reload root. "
                f"Received: base_path={str(config.base_path)!r}.",
            )
        if not config.base_path.is_dir():
            raise ServingError(
                grpc.StatusCode.NOT_FOUND,
                f"Expected the base_path of model {config.name} to be a folder. "
                f"Received: base_path={str(config.base_path)!r}.",
            )
    _LOGGER.info("Reloading: %s", ", ".join(config.name for config in configs) or "no models")
    manager.configure([dataclasses.replace(config, confined_to=allowed) for config in configs])
    manager.check_all_serve()
