"""Scores of the steps of a time series, from those of the overlapping windows that have them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aae_tf.runs.errors import UserError, as_user_error
from aae_tf.runs.recipe import Recipe

if TYPE_CHECKING:
    from aae_tf.data.time_series import Steps
    from aae_tf.detector import AnomalyDetector
    from aae_tf.models import BaseAAE

SCORE, ALARM = "step_score", "is_anomaly"


def score_steps(
    model: BaseAAE | AnomalyDetector, recipe: Recipe, steps: Steps, place: str
) -> dict[str, np.ndarray]:
    """Scores each step by the windows that have it.

    Args:
        model: the model of a run, or the detector of one of `task="anomaly"`.
        recipe: recipe of the run, which says how windows are cut.
        steps: steps with the columns that the model was trained on.
        place: what they are, for messages.

    Returns:
        A table by column: the times; `step_score` float32 [steps], the sum of
        `step_score_COLUMN` over the columns, in nats: the column's error at the step, of a
        detector over twice its mean in held-out windows, see `Calibration`, averaged over the
        windows, of which one begins at each step; and, for a detector, `is_anomaly` int64 [steps],
        1 where most of the windows that have the step are anomalies. NaN for a step that no
        window has, between two gaps that are near.

    Raises:
        ValueError: if there is no window.
    """
    from aae_tf.detector import AnomalyDetector

    # Whatever the stride of training: the last steps have windows of their own as well.
    windows = steps.windows(recipe.window, 1, recipe.largest_gap, place)
    shape = windows.x.shape
    alarms = {}
    if isinstance(model, AnomalyDetector):
        scores = model.score(windows.x)
        by_column = scores["column_scores"]
        # A step that no window has compares as false.
        alarms[ALARM] = (windows.per_step(scores["is_anomaly"]) > 0.5).astype(np.int64)
    else:
        by_column = model.column_errors(windows.x)
    of_steps = windows.per_step(by_column.reshape(shape))
    columns = {f"{SCORE}_{n}": of_steps[:, i] for i, n in enumerate(steps.column_names)}
    times = {str(recipe.time_column): steps.times.astype(str)}
    return {**times, SCORE: of_steps.sum(axis=1), **alarms, **columns}


def measure_steps(table: dict[str, np.ndarray], steps: Steps, normal: int) -> dict[str, Any]:
    """Measures the alarms of steps against their labels, as `measure_detector` those of windows.

    There is no interval of the rate of false alarms, as steps that follow each other share windows.

    Args:
        table: what `score_steps` gave, with a detector.
        steps: the same steps.
        normal: the label of normal steps; -1 where there are no labels.

    Returns:
        See `evaluation.anomaly_metrics`; empty where the steps have no anomaly or no normal one
        whose label is known.
    """
    from aae_tf.evaluation import anomaly_metrics

    known = np.flatnonzero((steps.y >= 0) & np.isfinite(table[SCORE]))
    is_anomaly = (steps.y[known] != normal).astype(np.int64)
    if normal < 0 or len(np.unique(is_anomaly)) < 2:
        return {}
    found = anomaly_metrics(is_anomaly, table[SCORE][known], table[ALARM][known])
    del found["false_alarm_rate_interval"]
    return found


def score_files(
    model: BaseAAE | AnomalyDetector, recipe: Recipe, path: str
) -> dict[str, np.ndarray]:
    """Scores each step of files of a later time; see `score_steps`.

    Args:
        model: the model or the detector of the run.
        recipe: its recipe.
        path: a CSV or Parquet file, or a pattern of them, with the columns of the training;
            others are left out.

    Raises:
        UserError: if a file cannot be read, or has other columns; if there is no window.
    """
    from aae_tf.data.files import find_tables, read_rows
    from aae_tf.data.time_series import read_steps
    from aae_tf.detector import AnomalyDetector

    with as_user_error(ValueError, TypeError, OSError):
        if not find_tables(path):
            raise ValueError(
                "Expected --input to be CSV or Parquet files for a run of a time series. "
                f"Received: {path}."
            )
        rows = read_rows(path)
        loss = (model.model if isinstance(model, AnomalyDetector) else model).column_losses
        time_column, names = str(recipe.time_column), getattr(loss, "names", None)
        steps = read_steps(rows.x, rows.y, time_column, path, names=names)
        return score_steps(model, recipe, steps, path)


def check_encoding(
    recipe: Recipe, signature: str, inputs: list[str], output: Path, batch_size: int | None
) -> None:
    """Checks what `aae-tf encode` is asked for on tables of a run of a time series.

    Raises:
        UserError: if it is not the scores of one file or pattern, as a CSV file, or has batches.
    """
    if batch_size is not None:
        raise UserError(
            f"Expected no --batch-size for tables of a run with --time-column {recipe.time_column}"
            f". Received: --batch-size {batch_size}."
        )
    if signature != "score" or len(inputs) > 1 or output.suffix != ".csv":
        raise UserError(
            "Expected --signature score, one --input and an --output that ends in .csv for a run "
            f"with --time-column {recipe.time_column}, whose table becomes a score of each step; "
            "windows [windows, length, columns] in .npy files take every signature. "
            f"Received: --signature {signature}, {len(inputs)} --input, --output {output}."
        )
