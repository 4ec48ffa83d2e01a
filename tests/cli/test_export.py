"""`aae-tf export` with each of its options, and what its cards say of the run."""

import importlib
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from aae_tf.export import SavedModelSession
from aae_tf.export.batching_parameters import BatchingParameters
from aae_tf.export.model_card import verify_files
from aae_tf.runs.run_directory import open_run

NAMES = ("encoder", "decoder")


def _error(invoke, *args, code=2):
    result = invoke("export", *args, code=code)
    (line,) = result.stderr.splitlines()
    return line.removeprefix("Error: ")


def _card(path):
    return json.loads((path / "MODEL_CARD.json").read_text())


@pytest.fixture(scope="module")
def run(trained, tmp_path_factory):
    """A run of this module's own: other tests evaluate the shared one."""
    run = shutil.copytree(trained, tmp_path_factory.mktemp("export") / "run")
    (run / "evaluation.json").unlink(missing_ok=True)
    return run


@pytest.mark.thorough
def test_cards_hold_recipe_and_last_epoch(invoke, run, tmp_path):
    output = invoke("export", run, "--to", tmp_path).output
    assert f"decoder: {tmp_path / 'decoder' / '1'}" in output
    header, row = (run / "history.csv").read_text().split()
    logs = dict(zip(header.split(","), map(float, row.split(",")), strict=True))
    for name in NAMES:
        path = tmp_path / name / "1"
        verify_files(path)
        assert _card(path)["metrics"] == {"last_epoch": logs}
        recipe = _card(path)["data"]["recipe"]
        assert (recipe["data"], recipe["epochs"], recipe["units"]) == ("digits", 1, [16])
        assert not (path / "batching_params.pbtxt").exists()


def test_cards_hold_the_evaluation_and_null_for_what_is_not_finite(invoke, run, tmp_path):
    run = shutil.copytree(run, tmp_path / "run")
    (run / "evaluation.json").write_text('{"images": 3, "mmd_squared": NaN, "codes": [Infinity]}')
    (run / "history.csv").write_text("epoch,loss,accuracy\n1,2.5,0.5\n2,nan,\n")
    invoke("export", run, "--to", tmp_path / "models", "--no-verify")
    assert _card(tmp_path / "models" / "encoder" / "1")["metrics"] == {
        "evaluation": {"images": 3, "mmd_squared": None, "codes": [None]},
        "last_epoch": {"epoch": 2.0, "loss": None},
    }


@pytest.mark.thorough
def test_keep_and_combined(invoke, run, tmp_path):
    for _ in range(2):
        options = ("--keep", 1, "--combined", "--no-verify")
        output = invoke("export", run, "--to", tmp_path, *options).output
    assert f"autoencoder: {tmp_path / 'autoencoder' / '2'}" in output
    for name in (*NAMES, "autoencoder"):
        assert sorted(path.name for path in (tmp_path / name).iterdir()) == ["2"]
    images = np.random.default_rng(0).random((4, 8, 8, 1), dtype="float32")
    with SavedModelSession(tmp_path / "autoencoder" / "2") as session:
        outputs = session.run("reconstruct", {"inputs": images})["outputs"]
    model = open_run(run).load_model()
    np.testing.assert_allclose(outputs, model.reconstruct(images), atol=1e-6)


def _warm_up_rows(path):
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    file = str(path / "assets.extra" / "tf_serving_warmup_requests")
    for record in tf.data.TFRecordDataset(file).as_numpy_iterator():
        request = PredictionLog.FromString(record).predict_log.request
        yield next(iter(request.inputs.values())).tensor_shape.dim[0].size


@pytest.mark.thorough
def test_batch_sizes(invoke, run, tmp_path):
    invoke("export", run, "--to", tmp_path, "--batch-sizes", "1,8,64")
    for name in NAMES:
        text = (tmp_path / name / "1" / "batching_params.pbtxt").read_text()
        expected = BatchingParameters(max_batch_size=64, allowed_batch_sizes=(1, 8, 64))
        assert BatchingParameters.from_text(text) == expected
        assert set(_warm_up_rows(tmp_path / name / "1")) == {1, 8, 64}


def test_batching_parameters_file(invoke, run, tmp_path):
    file = tmp_path / "batching.config"
    file.write_text(
        "# The operator's own.\nmax_batch_size { value: 4 }\nbatch_timeout_micros { value: 900 }\n"
        "allowed_batch_sizes: 2 allowed_batch_sizes: 4\n"
    )
    invoke("export", run, "--to", tmp_path / "a", "--batching-parameters-file", file, "--no-verify")
    text = (tmp_path / "a" / "decoder" / "1" / "batching_params.pbtxt").read_text()
    expected = BatchingParameters(4, 900, allowed_batch_sizes=(2, 4))
    assert BatchingParameters.from_text(text) == expected
    assert set(_warm_up_rows(tmp_path / "a" / "decoder" / "1")) == {2, 4}


@pytest.mark.thorough
def test_verify_runs_both_loaders_and_no_verify_none(invoke, run, tmp_path, monkeypatch):
    called = []
    # The function of the same name hides the module as an attribute.
    module = importlib.import_module("aae_tf.export.export_model")
    for name in ("verify_saved_model", "compare_loaders"):
        monkeypatch.setattr(module, name, lambda *args, name=name: called.append(name))
    invoke("export", run, "--to", tmp_path, "--no-verify")
    assert called == []
    invoke("export", run, "--to", tmp_path)
    assert called == ["verify_saved_model", "compare_loaders"] * 2


def test_an_export_that_does_not_verify_is_a_failure(invoke, run, tmp_path, monkeypatch):
    from aae_tf.export.c_api_session import CApiSession

    def refuse(*args):
        raise tf.errors.FailedPreconditionError(None, None, "Could not find variable x")

    monkeypatch.setattr(CApiSession, "run", refuse)
    line = _error(invoke, run, "--to", tmp_path, code=1)
    assert line.startswith("Expected ") and "to load and run in C++. Received: Failed" in line
    assert line.endswith("code 9: Could not find variable x")
    assert [list((tmp_path / name).iterdir()) for name in NAMES] == [[], []]


class TestBadInput:
    @pytest.mark.sampled
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--keep", "0"], "Invalid value for '--keep'"),
            (["--batch-sizes", "1,a"], "Expected --batch-sizes to be integers with commas between"),
            (["--batch-sizes", "8,1"], "Expected `allowed_batch_sizes` to be positive and incr"),
            (["--batch-sizes", "0"], "Expected `max_batch_size` to be at least 1"),
            (
                ["--batch-sizes", ",".join(map(str, range(1, 400)))],
                "Expected `allowed_batch_sizes` to make at most 1000 warm-up requests",
            ),
            (["--batching-parameters-file", "nowhere"], "[Errno 2] No such file"),
            (
                ["--batch-sizes", "1", "--batching-parameters-file", "nowhere"],
                "Expected one of --batch-sizes and --batching-parameters-file. Received: both.",
            ),
        ],
    )
    def test_options(self, invoke, run, tmp_path, options, message):
        assert _error(invoke, run, "--to", tmp_path / "a", *options).startswith(message)
        assert list(tmp_path.iterdir()) == []

    def test_a_file_of_something_else(self, invoke, run, tmp_path):
        file = tmp_path / "batching.config"
        file.write_text("prometheus_config { enable: true }")
        line = _error(invoke, run, "--to", tmp_path / "a", "--batching-parameters-file", file)
        assert line.startswith("Expected a BatchingParameters in protobuf's text format.")

    def test_an_evaluation_that_is_no_json(self, invoke, run, tmp_path):
        run = shutil.copytree(run, tmp_path / "run")
        (run / "evaluation.json").write_text("{")
        line = _error(invoke, run, "--to", tmp_path / "a")
        assert line.startswith(f"Expected {run / 'evaluation.json'} to be as")
        assert not (tmp_path / "a").exists()

    def test_a_history_that_is_none(self, invoke, run, tmp_path):
        run = shutil.copytree(run, tmp_path / "run")
        (run / "history.csv").write_text("epoch,loss\n1,low\n")
        line = _error(invoke, run, "--to", tmp_path / "a")
        assert line.startswith(f"Expected {run / 'history.csv'} to be as")
