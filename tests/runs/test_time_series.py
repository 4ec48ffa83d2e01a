"""Runs of time series: which windows are normal, scores of steps, and what is refused."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from aae_tf import AnomalyDetector, data
from aae_tf.cli import evaluate
from aae_tf.runs.detection import keep_normal, measure_detector
from aae_tf.runs.errors import UserError
from aae_tf.runs.named_recipes import make_recipe
from aae_tf.runs.step_scores import check_encoding, score_steps
from aae_tf.runs.training_data import training_data

OPTIONS = {"data": "x.csv", "time_column": "time", "window": 8, "stride": 5}
RECIPE = make_recipe(OPTIONS)


def load(folder, bad, **options):
    """Loads 240 steps, those with numbers in `bad` of another class, whose sensor is at 5."""
    load = np.sin(np.arange(240.0))
    load[bad] = 5.0
    state = np.where(np.isin(np.arange(240), bad), "bad", "ok")
    frame = pd.DataFrame({"time": np.arange(240), "load": load, "state": state})
    frame.to_csv(folder / "series.csv", index=False)
    options = {"window": 8, "validation": 40, "test": 40, **options}
    path = str(folder / "series.csv")
    return data.load(path, time_column="time", label_column="state", **options)


class Detector(AnomalyDetector):
    """Scores a window by its numbers, and calls those of 5 anomalies."""

    def __init__(self):
        pass

    def score(self, x):
        alarms = (x == 5.0).any(axis=(1, 2)).astype(int)
        by_column = np.abs(x).reshape(len(x), 8)
        return {"column_scores": by_column, "is_anomaly": alarms, "anomaly_score": by_column.sum(1)}


def test_normal_steps_are_those_of_most_steps(tmp_path):
    # One step of 7 in two thirds of the series, so that nearly all windows have one.
    bad = [*range(3, 130, 7), 225]
    dataset = load(tmp_path, bad)
    assert np.bincount(dataset.y_train)[0] > 100 > np.bincount(dataset.y_train)[1] > 0
    assert dataset.class_names[dataset.normal] == "ok"
    kept = keep_normal(dataset)
    assert set(kept.y_train) == {dataset.normal} and kept.x_train.max() < 5.0
    assert len(kept.x_train) == (dataset.x_train.max(axis=(1, 2)) < 5.0).sum()
    # Windows that overlap give no interval.
    assert measure_detector(Detector(), kept)["auroc"] == 1.0
    assert "false_alarm_rate_interval" not in measure_detector(Detector(), kept)


def test_a_window_without_normal_ones_is_refused(tmp_path):
    dataset = load(tmp_path, range(3, 240, 7))
    with pytest.raises(UserError, match=r"`window` to be so small .* 'ok' alone.*window=8"):
        keep_normal(dataset)


def test_a_column_of_one_value_in_normal_windows_is_refused(tmp_path):
    dataset = load(tmp_path, [20, 220])
    x = dataset.x_train
    x[:] = np.where(x == 5.0, x, 4e4)
    with pytest.raises(UserError, match=r"column 'load' to have a standard deviation of 1e-07"):
        training_data(RECIPE, keep_normal(dataset))
    assert training_data(RECIPE, dataset).columns.names == ("load",)


def test_all_steps_are_scored_whatever_the_stride(tmp_path):
    steps = load(tmp_path, [20]).steps
    model = SimpleNamespace(column_errors=lambda x: np.abs(x).reshape(len(x), 8))
    table = score_steps(model, RECIPE, steps, "the test split")
    np.testing.assert_allclose(table["step_score"], np.abs(steps.x[:, 0]), rtol=1e-6)


def report(folder, monkeypatch, dataset):
    monkeypatch.setattr(evaluate, "load_detector", lambda path: Detector())
    recipe = make_recipe({**OPTIONS, "task": "anomaly"})
    evaluate.report(SimpleNamespace(path=folder, recipe=recipe), None, keep_normal(dataset))


def test_without_normal_windows_steps_are_measured(tmp_path, monkeypatch):
    report(tmp_path, monkeypatch, load(tmp_path, range(203, 240, 7)))
    assert len(pd.read_csv(tmp_path / "steps.csv")) == 40
    found = pd.read_json(tmp_path / "evaluation.json", typ="series")
    assert found["images"] == 0 and found["anomalies"].keys() == {"steps"}
    assert "false_alarm_rate_interval" not in found["anomalies"]["steps"]


def test_without_a_test_split_nothing_is_measured(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"the test split to have 2 normal rows or more.*: 0"):
        report(tmp_path, monkeypatch, load(tmp_path, [20], test=0))


def test_scores_of_steps_have_no_batches(tmp_path):
    with pytest.raises(UserError, match=r"no --batch-size for tables.*: --batch-size 7"):
        check_encoding(RECIPE, "score", ["x.csv"], tmp_path / "y.csv", 7)
