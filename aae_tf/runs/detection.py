"""What `task="anomaly"` adds to a run: rows of one class train, a detector stands by the model."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aae_tf.runs.errors import UserError, as_user_error
from aae_tf.runs.recipe import Recipe

if TYPE_CHECKING:
    from aae_tf.data import Dataset
    from aae_tf.detector import AnomalyDetector
    from aae_tf.models import BaseAAE

_SPLITS = ("train", "validation")


def keep_normal(dataset: Dataset) -> Dataset:
    """Leaves the largest class in the training and validation splits: its rows are normal.

    Without labels all rows are normal, and nothing is left out. The test split stays as it is. Of a
    time series, the normal class is that of most training steps, `Dataset.normal`.

    Args:
        dataset: data set, whose labels are classes, or -1 where they are unknown.

    Returns:
        The data set with fewer rows.

    Raises:
        UserError: if each training window has a step of another class.
    """
    y = dataset.y_train
    if not (y >= 0).any():
        return dataset
    normal = dataset.normal
    if normal is None:
        normal = int(np.bincount(y[y >= 0]).argmax())
    elif not (y == normal).any():
        raise UserError(
            f"Expected `window` to be so small that some training window has steps of "
            f"{dataset.class_names[normal]!r} alone, the label of most steps. "
            f"Received: window={dataset.x_train.shape[1]}."
        )
    kept: dict[str, Any] = {}
    for split in _SPLITS:
        rows = np.flatnonzero(getattr(dataset, f"y_{split}") == normal)
        for name in (f"x_{split}", f"y_{split}"):
            kept[name] = getattr(dataset, name)[rows]
    return dataclasses.replace(dataset, **kept)


def check_calibration_rows(dataset: Dataset) -> None:
    """Checks, before anything is trained, that a detector can be calibrated.

    Raises:
        ValueError: if the validation split has too few rows.
    """
    from aae_tf.detector.detector_arguments import FEWEST_ROWS

    count = len(dataset.x_validation)
    if count < FEWEST_ROWS:
        what = "rows" if dataset.steps is None else "windows that do not overlap"
        raise ValueError(
            f"Expected `validation` to hold out at least {FEWEST_ROWS} normal {what} with "
            f"task='anomaly', which calibrate the detector. Received: {count}."
        )


def write_detector(
    folder: Path, model: BaseAAE, recipe: Recipe, dataset: Dataset
) -> AnomalyDetector:
    """Calibrates a detector on the validation split, and writes it beside the model.

    Args:
        folder: directory of the run, with `model.keras`.
        model: the trained model.
        recipe: recipe of the run.
        dataset: what `keep_normal` gives.

    Returns:
        The detector.

    Raises:
        UserError: if the validation split has too few rows.
    """
    from aae_tf.detector import AnomalyDetector

    detector = AnomalyDetector(
        model, false_alarm_rate=recipe.false_alarm_rate, train=False, seed=recipe.seed
    )
    with as_user_error(ValueError):
        detector.calibrate(dataset.x_validation)
    detector.write_calibration(folder)
    return detector


def load_detector(folder: Path) -> AnomalyDetector:
    """Loads the detector of a run of `task="anomaly"`.

    Raises:
        UserError: if a file is missing or damaged.
    """
    from aae_tf.detector import AnomalyDetector

    try:
        return AnomalyDetector.load(folder)
    # What is damaged surfaces as an error of zip, JSON, HDF5, Keras or a layer.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0].rstrip(".")
        raise UserError(
            f"Expected {folder} to hold a detector as `aae-tf train --task anomaly` writes it. "
            f"Received: {reason}."
        ) from error


def measure_detector(detector: AnomalyDetector, dataset: Dataset) -> dict[str, Any]:
    """Measures a detector on the test split, where rows of other classes are anomalies.

    Args:
        detector: that of the run.
        dataset: what `keep_normal` gives.

    Returns:
        See `evaluation.anomaly_metrics`; empty where the test split has no anomaly or no normal
        row whose label is known. Windows of a time series get no interval, as they overlap.
    """
    from aae_tf.evaluation import anomaly_metrics

    known = np.flatnonzero(dataset.y_test >= 0)
    is_anomaly = (dataset.y_test[known] != dataset.y_train[0]).astype(np.int64)
    if dataset.y_train[0] < 0 or len(np.unique(is_anomaly)) < 2:
        return {}
    scores = detector.score(dataset.x_test[known])
    found = anomaly_metrics(is_anomaly, scores["anomaly_score"], scores["is_anomaly"])
    if dataset.steps is not None:
        del found["false_alarm_rate_interval"]
    return found
