"""`DriftWatch`: tests windows of the codes that a server answers for drift, beside its requests."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aae_tf.export import ExportError, read_model_card
from aae_tf.export.saved_model import DEFAULT_SIGNATURE
from aae_tf.serving.models.servable import Runner

if TYPE_CHECKING:
    from aae_tf.detector import DriftMonitor, DriftResult

_LOGGER = logging.getLogger("aae_tf.serving")
# Codes of a window.
WINDOW = 1000
# Of a window that one request makes larger, so many are tested: all of their pairs are in memory.
_LARGEST = 4000
_SIGNATURES = ("encode", DEFAULT_SIGNATURE)


class DriftWatch:
    """Runs signatures, and tests windows of the latents that `encode` answers in another thread.

    A window is the codes of requests in their order, at least 1,000. Those that arrive while a
    window is tested are not looked at, so that tests cannot pile up; nor are codes of rows that are
    not finite.

    Args:
        runner: What runs the signatures.
        monitor: The monitor of the codes.
        report: Called with the result of each window, in the other thread.

    Attributes:
        runner: The same runner; who calls it hands the answers to `look_at`.
    """

    def __init__(
        self, runner: Runner, monitor: DriftMonitor, report: Callable[[DriftResult], object]
    ) -> None:
        self.runner = runner
        self._monitor = monitor
        self._report = report
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="drift")
        self._lock = threading.Lock()
        self._codes: list[np.ndarray] = []
        self._count = 0
        self._is_testing = False

    def run(
        self,
        signature_name: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Runs a signature; see `SavedModelSession.run`."""
        answer = self.runner.run(signature_name, inputs, outputs, timeout)
        self.look_at(signature_name, answer)
        return answer

    def look_at(self, signature_name: str, answer: Mapping[str, np.ndarray]) -> None:
        """Takes the codes of an answer, if it has any."""
        if signature_name in _SIGNATURES and "latents" in answer:
            self._collect(answer["latents"])

    def close(self) -> None:
        """Closes the runner, and ends the thread after the test that is under way."""
        self._pool.shutdown(cancel_futures=True)
        self.runner.close()

    def _collect(self, latents: np.ndarray) -> None:
        with self._lock:
            if self._is_testing:
                return
            # A copy: what a client gets may be changed, or be a part of a larger batch.
            self._codes.append(latents.copy())
            self._count += len(latents)
            if self._count < WINDOW:
                return
            codes, self._codes, self._count = self._codes, [], 0
            self._is_testing = True
        self._pool.submit(self._test, codes)

    def _test(self, codes: list[np.ndarray]) -> None:
        try:
            rows = np.concatenate(codes)
            rows = rows[np.isfinite(rows).all(axis=1)][:_LARGEST]
            self._report(self._monitor.test(rows))
        except ValueError as error:
            _LOGGER.warning("A window of codes is not tested for drift: %s", error)
        finally:
            self._is_testing = False


def watch_drift(
    name: str,
    runner: Runner,
    path: Path,
    report: Callable[[str, DriftResult], object],
) -> Runner:
    """Puts a `DriftWatch` before what runs an export of an `AnomalyDetector`.

    Args:
        name: Name of the model.
        runner: What runs it.
        path: Folder of the version, whose `MODEL_CARD.json` says how far held-out codes are from
            the prior.
        report: Called with the name and the result of each window.

    Returns:
        The watch; or the runner itself, where the card has nothing about drift.
    """
    try:
        config: dict[str, Any] | None = read_model_card(path).get("drift")
    except ExportError:  # Not an export of this package.
        return runner
    if config is None:
        return runner
    from aae_tf.detector import DriftMonitor

    try:
        monitor = DriftMonitor.from_config(config)
    except (KeyError, TypeError, ValueError) as error:
        _LOGGER.warning("%s: codes are not watched for drift: %r", path, error)
        return runner
    return DriftWatch(runner, monitor, lambda result: report(name, result))
