"""The parts of a server that both protocols share: models, batching and metrics."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import NamedTuple

from aae_tf.export.batching_parameters import BATCHING_FILE, BatchingParameters
from aae_tf.export.saved_model_session import SavedModelSession
from aae_tf.serving.admission import Admission, Workers
from aae_tf.serving.batching import BatchingSession, BatchThreadPool
from aae_tf.serving.drift_watch import watch_drift
from aae_tf.serving.models.model_manager import ModelManager
from aae_tf.serving.models.model_sources import ModelSource
from aae_tf.serving.models.model_watcher import ModelWatcher
from aae_tf.serving.models.request_rows import RequestLimits
from aae_tf.serving.models.servable import Runner
from aae_tf.serving.models.version_loader import VersionLoader
from aae_tf.serving.server_metrics import ServerMetrics

# Small requests that may run at once: the real server's default.
_NUM_REQUESTS = 4 * (os.cpu_count() or 1)
# Requests that may wait for a batch at once; each costs no more than a thread.
_MAX_WAITING = 256


class Batching(NamedTuple):
    """The batching of a server.

    Attributes:
        parameters: For all models.
        per_model: Whether a version's own `batching_params.pbtxt` goes before them; the threads
            are the server's in any case.
    """

    parameters: BatchingParameters
    per_model: bool


class ServerCore:
    """The models of a server, with their watcher, their batch threads and their metrics.

    Args:
        source: Where the list of models comes from.
        batching: How requests are gathered into batches; None: each runs alone.
        poll_interval: Seconds between two looks for versions; 0 looks once.
        labels_ahead: Whether a label may name a version that is not loaded yet.
        warm: Whether versions run their warm-up requests.
        limits: What a request may ask for.
        admission: How many requests may be under way.

    Attributes:
        manager: The models.
        metrics: Where requests are counted.
        limits: What a request may ask for.
        admission: How many requests may be under way.
        workers: Run requests; of small ones that wait for a batch, enough to fill two.
    """

    def __init__(
        self,
        source: ModelSource,
        batching: Batching | None,
        poll_interval: float,
        labels_ahead: bool,
        warm: bool,
        limits: RequestLimits,
        admission: Admission,
    ) -> None:
        wrap = None
        num_threads = _NUM_REQUESTS
        self._pool: BatchThreadPool | None = None
        if batching is not None:
            parameters = batching.parameters
            waiting = min(2 * parameters.max_batch_size, _MAX_WAITING)
            num_threads = max(_NUM_REQUESTS, waiting)
            self._pool = BatchThreadPool(parameters.num_threads, parameters.thread_pool_name)
            wrap = functools.partial(self._wrap, batching, self._pool)
        self.limits = limits
        self.admission = admission
        self.workers = Workers(num_threads)
        self.manager = ModelManager(VersionLoader(limits, warm, wrap, self._watch), labels_ahead)
        self.metrics = ServerMetrics(self.manager.has_model)
        self._watcher = ModelWatcher(self.manager, source, poll_interval)

    def start(self) -> None:
        """Loads every model, and watches for versions.

        Raises:
            ServerError: a model cannot be loaded.
        """
        self._watcher.start()

    def close(self, cut_off: bool = False) -> None:
        """Stops watching and unloads every model.

        Args:
            cut_off: Whether runs that are under way are cancelled.
        """
        self.workers.close()
        self._watcher.stop()
        self.manager.close(cut_off)
        if self._pool is not None:
            self._pool.close()

    def _watch(self, name: str, runner: Runner, path: Path) -> Runner:
        return watch_drift(name, runner, path, self.metrics.drift)

    def _wrap(
        self, batching: Batching, pool: BatchThreadPool, session: SavedModelSession, path: Path
    ) -> BatchingSession:
        parameters = batching.parameters
        own = path / BATCHING_FILE
        if batching.per_model and own.exists():
            parameters = BatchingParameters.from_text(own.read_text(encoding="utf-8"))
        observe = functools.partial(self.metrics.batch, pool.name)
        return BatchingSession(session, parameters, pool, observe)
