"""Keeps a running server at what its operator wants."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from aae_tf.serving.errors import ServerError, ServingError
from aae_tf.serving.model_config import ModelConfig
from aae_tf.serving.model_manager import ModelManager
from aae_tf.serving.model_sources import ModelSource

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
                except Exception:  # a watcher that dies is noticed by nobody
                    _LOGGER.exception("The models stay as they are")
                due[look] = time.monotonic() + self._intervals[look]

    def _read_source(self) -> None:
        configs = self._source.read()
        if configs != self._configs:
            self._manager.configure(configs)
            self._configs = configs
