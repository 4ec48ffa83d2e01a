"""`--task anomaly`: train on the rows of one class, evaluate, export and ask."""

import json

import numpy as np
import pytest

from aae_tf import AnomalyDetector, data, export
from aae_tf.runs.detection import keep_normal
from tests.cli.conftest import TINY, eager


@pytest.fixture(scope="module")
def run(invoke, tmp_path_factory):
    path = tmp_path_factory.mktemp("anomaly") / "run"
    options = ("--task", "anomaly", "--false-alarm-rate", "0.1", *TINY)
    with eager():
        invoke("train", "--out", path, *options)
    return path


@pytest.mark.integration
def test_rows_of_the_largest_class_train_and_calibrate(run):
    dataset = data.load("digits")
    normal = np.bincount(dataset.y_train).argmax()
    kept = keep_normal(dataset)
    assert set(kept.y_train) == set(kept.y_validation) == {normal}
    assert len(kept.x_train) == (dataset.y_train == normal).sum()
    np.testing.assert_array_equal(kept.x_test, dataset.x_test)
    detector = AnomalyDetector.load(run)
    assert detector.calibration_.num_rows == len(kept.x_validation) - round(
        len(kept.x_validation) / 3
    )
    assert detector.false_alarm_rate_ == 0.1


@pytest.mark.integration
def test_a_table_with_a_column_of_labels(invoke, tmp_path):
    rng = np.random.default_rng(0)
    kind = rng.choice(["tcp", "udp"], 600)
    size = np.where(kind == "tcp", 100.0, 10.0) * rng.uniform(0.5, 1.5, 600)
    label = np.where(np.arange(600) % 12, "normal", "attack")
    lines = [f"{s:.2f},{k},{c}" for s, k, c in zip(size, kind, label, strict=True)]
    (tmp_path / "flows.csv").write_text("\n".join(["bytes,protocol,label", *lines]))
    given = ("--data", tmp_path / "flows.csv", "--label-column", "label", "--task", "anomaly")
    with eager():
        invoke("train", *given, "--false-alarm-rate", "0.1", "--out", tmp_path / "run", *TINY)
    detector = AnomalyDetector.load(tmp_path / "run")
    assert detector.column_names == ("bytes", "protocol")
    rows = {"bytes": [100.0, np.inf], "protocol": ["tcp", None]}
    assert detector.score(rows)["is_anomaly"][1] == 1
    invoke("evaluate", tmp_path / "run")
    numbers = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert 0.0 <= numbers["anomalies"]["auroc"] <= 1.0


def test_rows_without_labels_are_all_normal():
    digits = data.load("digits", labels=0)
    assert keep_normal(digits) is digits


@pytest.mark.integration
def test_evaluate_measures_alarms(invoke, run):
    result = invoke("evaluate", run)
    numbers = json.loads((run / "evaluation.json").read_text())
    dataset = keep_normal(data.load("digits"))
    scores = AnomalyDetector.load(run).score(dataset.x_test)
    is_normal = dataset.y_test == dataset.y_train[0]
    assert numbers["images"] == is_normal.sum()
    alarms = scores["is_anomaly"][is_normal].mean()
    assert numbers["anomalies"]["false_alarm_rate"] == pytest.approx(alarms)
    for name in ("auroc", "average_precision", "f1", "false_alarm_rate_interval"):
        assert name in result.stdout
    # The detector is calibrated on that split.
    message = invoke("evaluate", run, "--split", "validation", code=2).output
    assert "Expected --split to be test for a run of task anomaly" in " ".join(message.split())


@pytest.mark.integration
def test_export_writes_the_detector(invoke, run, tmp_path):
    result = invoke("export", run, "--to", tmp_path, "--no-verify")
    assert "autoencoder: " in result.stdout
    card = export.read_model_card(tmp_path / "autoencoder" / "1")
    assert card["threshold"] == -AnomalyDetector.load(run).threshold_
    with export.SavedModelSession(tmp_path / "autoencoder" / "1") as session:
        assert {"score", "score_at", "explain"} <= set(session.signatures)


@pytest.mark.integration
def test_a_damaged_detector_is_said_in_one_line(invoke, run):
    file = run / "detector.json"
    content = file.read_bytes()
    try:
        file.write_bytes(content[:99])
        result = invoke("export", run, "--to", run / "saved_models", code=2)
        assert "to hold a detector as `aae-tf train --task anomaly` writes it" in result.stderr
    finally:
        file.write_bytes(content)


def test_a_model_without_an_encoder_is_refused(invoke, tmp_path):
    result = invoke("train", "--model", "gan", "--task", "anomaly", "--out", tmp_path / "r", code=2)
    assert "Error: Expected `task`" in result.stderr
