"""The file `detector.json` beside a model: what a detector has beyond it, written and read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from aae_tf.detector.calibration import Calibration
from aae_tf.detector.drift_monitor import DriftMonitor
from aae_tf.detector.typical_rows import TypicalRows
from aae_tf.files import write_atomically

MODEL_FILE = "model.keras"
DETECTOR_FILE = "detector.json"


class StoredDetector(NamedTuple):
    """What `detector.json` holds.

    Attributes:
        arguments: arguments of `AnomalyDetector` but the model.
        calibration: its calibration.
        typical_rows: the codes of typical held-out rows.
        feature_names: names of the columns of the frame it was fitted on, or None.
        drift_monitor: the monitor of its latents, or None.
    """

    arguments: dict[str, Any]
    calibration: Calibration
    typical_rows: TypicalRows
    feature_names: list[str] | None
    drift_monitor: DriftMonitor | None


def write_detector_file(folder: Path, stored: StoredDetector) -> None:
    """Writes `detector.json` into the folder of `model.keras`, atomically."""
    monitor = stored.drift_monitor
    config = {
        "arguments": stored.arguments,
        "calibration": stored.calibration.get_config(),
        "typical_rows": stored.typical_rows.get_config(),
        "feature_names": stored.feature_names,
        "drift": None if monitor is None else monitor.get_config(),
    }
    write_atomically(folder / DETECTOR_FILE, json.dumps(config).encode())


def read_detector_file(folder: Path) -> StoredDetector:
    """Reads what `write_detector_file` wrote.

    Raises:
        FileNotFoundError: if the folder holds no detector.
    """
    path = folder / DETECTOR_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected `folder` to hold {DETECTOR_FILE}, which `AnomalyDetector.save` writes. "
            f"Received: folder={str(folder)!r}."
        )
    config = json.loads(path.read_text())
    drift = config["drift"]
    return StoredDetector(
        config["arguments"],
        Calibration.from_config(config["calibration"]),
        TypicalRows.from_config(config["typical_rows"]),
        config["feature_names"],
        None if drift is None else DriftMonitor.from_config(drift),
    )
