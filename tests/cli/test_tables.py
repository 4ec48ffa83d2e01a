"""From a CSV file to an answering server: three commands and a query."""

import csv
import json

import numpy as np
import pandas as pd
import pytest

from aae_tf.cli.query_table import read_csv, type_columns, write_csv
from aae_tf.runs.errors import UserError
from aae_tf.runs.run_directory import open_run
from aae_tf.serving import ModelServer
from tests.cli.conftest import TINY, eager
from tests.tables import small

FRAME = pd.DataFrame(small.COLUMNS).assign(animal=["cat", "dog", "cow"] * 20)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "my.csv"
    FRAME.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def run(invoke, table):
    run = table.parent / "run"
    options = ("--label-column", "animal", "--column-kinds", "port=categorical")
    with eager():
        result = invoke(
            "train", "--data", table, "--model", "semi-supervised", *options, "--out", run, *TINY,
            "--set", "consistency_weight=0",
        )  # fmt: skip
    assert "Länd          categorical  string" in result.output
    return run


@pytest.fixture(scope="module")
def server(invoke, run):
    root = run.parent / "served"
    invoke("export", run, "--to", root, "--combined", "--no-verify")
    with ModelServer(root) as server:
        yield server


@pytest.mark.thorough
def test_a_large_table_is_streamed(invoke, tmp_path, monkeypatch):
    table = tmp_path / "large.csv"
    FRAME.assign(animal=["cat", "cat", "cat", "dog"] * 15).to_csv(table, index=False)
    monkeypatch.setenv("AAE_TF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("aae_tf.data.datasets._LARGEST_IN_MEMORY", 100)
    with eager():
        invoke("train", "--data", table, "--label-column", "animal", "--task", "anomaly",
               "--validation", "0.3", "--false-alarm-rate", "0.2", "--out", tmp_path / "run",
               *TINY)  # fmt: skip
        invoke("evaluate", tmp_path / "run")
    assert "anomalies" in json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert len(list((tmp_path / "cache" / "tables").iterdir())) == 1


@pytest.mark.thorough
def test_the_run_knows_its_table(run):
    model = open_run(run).load_model()
    assert model.table.names == tuple(FRAME.columns[:-1])
    assert model.num_classes == 3
    assert (run / "figures" / "latent.png").is_file()
    assert not (run / "figures" / "samples.png").exists()


@pytest.mark.thorough
def test_a_saved_model_is_exported_and_sampled_without_a_run(invoke, run, tmp_path):
    model = tmp_path / "mine.keras"
    model.write_bytes((run / "model.keras").read_bytes())
    out = tmp_path / "rows.csv"
    invoke("sample", model, "--out", out, "--count", 4, "--labels", "cow,cat")
    frame = pd.read_csv(out)
    assert list(frame.columns) == list(FRAME.columns[:-1])
    expected = open_run(run).load_model().sample(4, labels=["cow", "cat"] * 2, seed=0)
    np.testing.assert_allclose(frame["packets"], expected["packets"], rtol=1e-6)
    invoke("export", model, "--to", tmp_path / "served", "--no-verify")
    card = json.loads((tmp_path / "served" / "encoder" / "1" / "MODEL_CARD.json").read_text())
    assert card["class_names"] == ["cat", "cow", "dog"]
    assert card["data"] is None
    absent = invoke("export", tmp_path / "absent.keras", "--to", tmp_path / "x", code=2)
    assert "absent.keras" in absent.output


@pytest.mark.thorough
def test_tables_are_encoded_into_one(invoke, run, table, tmp_path):
    invoke("encode", run, "--input", table, "--output", tmp_path / "codes.csv")
    model = open_run(run).load_model()
    found = pd.read_csv(tmp_path / "codes.csv").filter(like="latents_").to_numpy()
    np.testing.assert_allclose(found, model.encode(FRAME.drop(columns="animal")), atol=1e-5)
    result = invoke("encode", run, "--input", table, "--output", tmp_path / "x.csv",
                    "--shards", 2, code=2)  # fmt: skip
    assert "no --shards" in result.output


@pytest.mark.thorough
def test_a_saved_model_is_evaluated_on_other_files(invoke, run, tmp_path):
    model, other = tmp_path / "mine.keras", tmp_path / "other.csv"
    model.write_bytes((run / "model.keras").read_bytes())
    # Columns in another order, one more, and fewer classes.
    frame = FRAME[FRAME["animal"] != "cat"].assign(more=1.0)
    frame[sorted(frame)].to_csv(other, index=False)
    with eager():
        invoke("evaluate", model, "--data", other, "--label-column", "animal")
    numbers = json.loads((tmp_path / "mine.evaluation.json").read_text())
    loaded = open_run(run).load_model()
    expected = loaded.column_errors(frame[list(loaded.table.names)]).mean(axis=0)
    np.testing.assert_allclose(list(numbers["columns"].values()), expected, rtol=1e-4)
    predicted = loaded.classify(frame[list(loaded.table.names)]).argmax(axis=1)
    # The model's classes are cat, cow and dog.
    wrong = np.mean(predicted != np.where(frame["animal"] == "cow", 1, 2))
    assert numbers["classification"]["error"] == pytest.approx(wrong)
    assert "no --data" in invoke("evaluate", model, code=2).output
    options = ("--data", other, "--split", "validation")
    assert "Expected no --split" in invoke("evaluate", model, *options, code=2).output
    assert "a run has its data" in invoke("evaluate", run, "--data", other, code=2).output
    FRAME.assign(animal=["cat", "newt", "dog"] * 20).to_csv(other, index=False)
    result = invoke("evaluate", model, "--data", other, "--label-column", "animal", code=2)
    assert "'newt'" in result.output
    FRAME.drop(columns="packets").to_csv(other, index=False)
    result = invoke("evaluate", model, "--data", other, code=2)
    assert "no 'packets'" in " ".join(result.output.split())


@pytest.mark.thorough
def test_evaluate(invoke, run):
    with eager():
        invoke("evaluate", run)
    numbers = json.loads((run / "evaluation.json").read_text())
    assert set(numbers["columns"]) == set(FRAME.columns[:-1])
    assert "classification" in numbers


@pytest.mark.integration
def test_query_a_csv(invoke, run, server, table, tmp_path):
    ports = ("--grpc-port", server.grpc_port)
    out = tmp_path / "out.csv"
    invoke("query", "score", "--input", table, *ports, "--output", out)
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = open_run(run).load_model().score(small.COLUMNS)["reconstruction_error"]
    found = [float(row["reconstruction_error"]) for row in rows]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    result = invoke("query", "reconstruct", "--input", table, *ports)
    assert "Länd: text [60]" in result.output
    invoke("query", "reconstruct", "--input", table, *ports, "--output", out)
    assert set(pd.read_csv(out).columns) == set(FRAME.columns[:-1])
    result = invoke("query", "encode", "--input", table, *ports, "--output", tmp_path / "x.npz")
    assert np.load(tmp_path / "x.npz")["latents"].shape == (60, 2)


@pytest.mark.integration
def test_query_refuses_other_tables(invoke, server, tmp_path):
    ports = ("--grpc-port", server.grpc_port)
    path = tmp_path / "x.csv"
    FRAME.drop(columns="port").to_csv(path, index=False)
    message = invoke("query", "score", "--input", path, *ports, code=2).output
    assert "Received: no 'port'" in " ".join(message.split())
    message = invoke("query", "decode", "--input", path, *ports, code=2).output
    assert "to be a .npy file" in " ".join(message.split())


def test_columns_of_text_are_typed(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("\ufeffa,b\n1,x\n,\nTrue,y\n", encoding="utf-8")
    columns = read_csv(path)
    inputs = {"a": {"dtype": "float32"}, "b": {"dtype": "string"}}
    typed = type_columns(columns, inputs, path)
    np.testing.assert_array_equal(typed["a"], [1.0, np.nan, 1.0])
    assert typed["b"] == ["x", "", "y"]
    with pytest.raises(UserError, match=r"column 'b' of .*x.csv to hold numbers.*'x' in row 0"):
        type_columns(columns, {"b": {"dtype": "float32"}}, path)
    path.write_text("a,b\n1\n")
    with pytest.raises(UserError, match=r"the 2 values of its header. Received: 1 in row 0"):
        read_csv(path)
    path.write_text("a,b\n")
    with pytest.raises(UserError, match="a header and rows"):
        read_csv(path)


def test_arrays_become_columns():
    text = write_csv({"x": np.float32([1.5, 2.0]), "z": np.zeros((2, 2), np.float32)}).decode()
    assert text.splitlines() == ["x,z_0,z_1", "1.5,0.0,0.0", "2.0,0.0,0.0"]


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "gan"), "Expected `model` to be one with an encoder for a table"),
        (("--network", "conv"), "Expected `network` to be mlp for a table"),
        (("--label-column", "x"), "Received: label_column='x'"),
        (("--column-kinds", "port"), "Expected `column_kinds` to be NAME=KIND"),
        (("--exclude-columns", "x,y"), "Expected `exclude` to name columns"),
    ],
)
def test_bad_options_end_in_one_line_and_write_nothing(invoke, table, tmp_path, options, message):
    result = invoke("train", "--data", table, *options, "--out", tmp_path / "run", code=2)
    assert message in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())
