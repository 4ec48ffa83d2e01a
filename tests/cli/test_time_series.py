"""`--time-column`: train on windows, evaluate and score steps, export, and ask as from Python."""

import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from aae_tf import AnomalyDetector, data, export
from aae_tf.runs.run_directory import open_run
from aae_tf.serving import Client, ModelServer
from tests.cli.conftest import TINY, eager

_STEPS = np.arange(600)
FRAME = pd.DataFrame(
    {
        "time": pd.date_range("2024-01-01", periods=600, freq="h"),
        "load": np.sin(_STEPS / 4),
        "heat": 4e4 + 800 * np.cos(_STEPS / 4) + np.random.default_rng(0).normal(size=600),
        "note": "x",
        # A sensor is stuck.
        "state": np.where((_STEPS >= 560) & (_STEPS < 580), "bad", "ok"),
    }
)
FRAME.loc[FRAME["state"] == "bad", "heat"] = 6e4
OPTIONS = ("--time-column", "time", "--window", 8, "--exclude-columns", "note")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("series") / "turbine.csv"
    FRAME.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def run(invoke, table):
    run = table.parent / "run"
    with eager():
        invoke(
            "train", "--data", table, *OPTIONS, "--label-column", "state", "--task", "anomaly",
            "--false-alarm-rate", "0.1", "--validation", "0.3", "--out", run, *TINY,
        )  # fmt: skip
    return run


def windows():
    return data.windows(FRAME[["load", "heat"]], 8, 8).x


@pytest.mark.thorough
def test_the_model_takes_the_units_of_the_file(run):
    model = open_run(run).load_model()
    path, excluded = str(run.parent / "turbine.csv"), ["note", "state"]
    dataset = data.load(path, time_column="time", window=8, exclude=excluded, validation=0.3)
    mean, deviation = (getattr(dataset.x_train, n)(axis=(0, 1)) for n in ("mean", "std"))
    x = windows()
    outputs = model.reconstruct(x)
    # Untrained almost: outputs are near the mean of each column, errors near that of the mean.
    assert abs(outputs[..., 1].mean() - 4e4) < 800
    expected = 0.5 * np.square((x - outputs) / deviation).sum(axis=(1, 2))
    np.testing.assert_allclose(model.score(x)["reconstruction_error"], expected, rtol=1e-3)
    np.testing.assert_allclose(model.column_losses.deviations, deviation, rtol=1e-3)
    assert model.column_names[:3] == ("load[0]", "heat[0]", "load[1]")
    assert mean[1] > 3e4


@pytest.mark.thorough
def test_evaluate_scores_each_step(invoke, run):
    with eager():
        result = invoke("evaluate", run)
    steps = pd.read_csv(run / "steps.csv")
    assert list(steps) == ["time", "step_score", "is_anomaly", "step_score_load", "step_score_heat"]
    assert steps["time"].tolist() == FRAME["time"][500:].astype(str).tolist()
    detector = AnomalyDetector.load(run)
    found = data.windows(FRAME[["load", "heat"]][500:], 8)
    by_column = detector.score(found.x)["column_scores"].reshape(-1, 8, 2)
    np.testing.assert_allclose(
        steps[["step_score_load", "step_score_heat"]], found.per_step(by_column), rtol=1e-3
    )
    numbers = json.loads((run / "evaluation.json").read_text())
    # An error of 25 standard deviations, of a model that is hardly trained.
    assert numbers["anomalies"]["steps"]["auroc"] > 0.9
    assert numbers["anomalies"]["auroc"] > 0.9
    assert "parzen" not in numbers and numbers["half_squared_error"] < 1e3
    assert "Scores of 100 steps" in result.stdout


@pytest.mark.thorough
def test_encode_scores_the_steps_of_a_later_file(invoke, run, tmp_path):
    later, out = tmp_path / "later.csv", tmp_path / "scores.csv"
    shuffled = FRAME[["heat", "time", "load"]][500:].sample(frac=1.0, random_state=0)
    shuffled.to_csv(later, index=False)
    score = ("--output", out, "--signature", "score")
    invoke("encode", run, "--input", later, *score)
    steps = pd.read_csv(out)
    assert steps["is_anomaly"][60:80].mean() > 0.5 > steps["is_anomaly"][:50].mean()
    result = invoke("encode", run, "--input", later, "--output", out, code=2)
    assert "Expected --signature score, one --input" in " ".join(result.output.split())
    result = invoke("encode", run, "--input", run / "model.keras", *score, code=2)
    assert "Expected --input to be CSV or Parquet" in result.output
    shuffled.drop(columns="heat").to_csv(later, index=False)
    result = invoke("encode", run, "--input", later, *score, code=2)
    assert "to have the columns ['load', 'heat']" in " ".join(result.output.split())


@pytest.mark.thorough
def test_a_saved_model_takes_windows_and_no_table(invoke, run, table):
    result = invoke("evaluate", run / "model.keras", "--data", table, code=2)
    assert "is measured by `aae-tf evaluate RUN`" in " ".join(result.output.split())


@pytest.mark.thorough
def test_samples_are_windows(invoke, run, tmp_path):
    invoke("sample", run, "--out", tmp_path / "samples.npy", "--count", 3)
    assert np.load(tmp_path / "samples.npy").shape == (3, 8, 2)


@pytest.mark.integration
def test_a_raw_window_is_scored_alike_everywhere(invoke, run, tmp_path):
    invoke("export", run, "--to", tmp_path, "--combined", "--no-verify")
    folder, x = tmp_path / "autoencoder" / "1", windows()[:9]
    detector = AnomalyDetector.load(run)
    assert export.read_model_card(folder)["columns"][:2] == ["load[0]", "heat[0]"]
    expected = detector.score(x)
    with export.SavedModelSession(folder) as session:
        answers = {"session": session.run("score", {"inputs": x})}
    loaded = tf.saved_model.load(folder).signatures["score"](inputs=tf.constant(x))
    answers["eager"] = {name: value.numpy() for name, value in loaded.items()}
    with ModelServer(tmp_path) as server, Client(rest_port=server.rest_port) as client:
        answers["rest"] = client.score(x)
    for answer in answers.values():
        for name in ("anomaly_score", "p_value", "reconstruction_error", "column_scores"):
            np.testing.assert_allclose(answer[name], expected[name], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "gan"], "Expected `time_column` to be left out with model='gan'"),
        (
            ["--model", "clustering"],
            "Expected `time_column` to be left out with model='clustering'",
        ),
        (["--network", "mlp"], "Expected `network` to be 'conv1d' or 'recurrent'"),
        (["--set", "window=10"], "Expected `window` to be divisible by 4"),
        (["--column-kinds", "load=count"], "Expected `column_kinds` to be left out"),
        (["--reconstruction-loss", "bernoulli"], "Expected `reconstruction_loss` to be left out"),
        (["--batch-normalization"], "Expected `batch_normalization` to be left out"),
        (
            ["--network", "recurrent", "--set", "activation=elu"],
            "Expected `activation` to be left out with network='recurrent'",
        ),
        (["--set", "window=60", "--task", "anomaly"], "at least 10 normal windows"),
    ],
)
def test_what_does_not_fit_is_refused(invoke, table, tmp_path, options, message):
    given = ["--data", table, "--time-column", "time", "--exclude-columns", "note,state"]
    result = invoke("train", *given, *options, "--out", tmp_path / "run", *TINY, code=2)
    assert message in " ".join(result.output.split())


def test_options_of_windows_ask_for_a_time_column(invoke, tmp_path):
    for option in (["--window", 8], ["--stride", 2], ["--network", "conv1d"]):
        result = invoke("train", *option, "--out", tmp_path / "run", code=2)
        assert "time_column" in result.output
