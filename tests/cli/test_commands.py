"""From a trained run to answers of a server, as the README has it."""

import dataclasses
import io
import json
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import rich.console
from matplotlib.image import imread

from aae_tf import data, evaluation
from aae_tf.runs.errors import UserError
from aae_tf.runs.training_data import halve_validation
from aae_tf.serving import Client


@pytest.fixture(scope="module")
def models(invoke, trained, tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    invoke("export", trained, "--to", root)
    return root


class TestEvaluate:
    def test_writes_and_prints_the_numbers_of_the_test_split(self, invoke, trained, monkeypatch):
        numbers = {
            "half_squared_error": 7.1234567,
            "losses": {"loss": 7.5, "latent_discriminator_loss": 1.39},
            "codes": {"latent": {"mean": [0.25, -1.0]}},
        }
        evaluated = []

        def evaluate_model(*args, **kwargs):
            evaluated.append((args, kwargs))
            return numbers

        # What it measures is tested with `evaluation`, and here with every kind of model.
        monkeypatch.setattr(evaluation, "evaluate_model", evaluate_model)
        output = invoke("evaluate", trained).output
        assert json.loads((trained / "evaluation.json").read_text()) == {"images": 297, **numbers}
        ((model, *split), options) = evaluated[0]
        digits = data.load("digits")
        expected = keras.models.load_model(trained / "model.keras").get_weights()
        for value, weights in zip(model.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(value, weights)
        for array, images in zip(split, (digits.x_test, digits.y_test), strict=True):
            np.testing.assert_array_equal(array, images)
        x, y = options.pop("validation")
        np.testing.assert_array_equal(x, digits.x_validation)
        np.testing.assert_array_equal(y, digits.y_validation)
        assert options == {"clusters": None, "batch_size": 250, "samples": False}
        assert "297 test images of digits" in output
        for text in ("half_squared_error", "7.123", "latent_discriminator_loss", "0.25 -1.00"):
            assert text in output
        # The halves of the validation split, and nothing of the test split.
        output = invoke("evaluate", trained, "--split", "validation", "--samples").output
        assert "125 validation images of digits" in output
        written = json.loads((trained / "evaluation-validation.json").read_text())
        assert written == {"images": 125, **numbers}
        ((_, *split), options) = evaluated[1]
        assert options["samples"]
        held_out = (digits.x_validation, digits.y_validation)
        for array, other, images in zip(split, options["validation"], held_out, strict=True):
            np.testing.assert_array_equal(array, images[1::2])
            np.testing.assert_array_equal(other, images[::2])

    def test_refuses_splits_that_it_cannot_measure(self, invoke, trained):
        output = invoke("evaluate", trained, "--split", "train", code=2).output
        assert "Expected `--split` to be one of 'test', 'validation'." in " ".join(output.split())
        few = np.zeros([3, 8, 8, 1], np.float32)
        digits = data.load("digits")
        dataset = dataclasses.replace(digits, x_validation=few, y_validation=np.zeros(3, int))
        with pytest.raises(UserError, match=r"four validation rows or more.*Received: 3 rows"):
            halve_validation(dataset)

    @pytest.mark.parametrize(
        ("table", "restores_units", "message"),
        [
            (object(), False, "--samples for a model whose.* Received: a model of a table"),
            (None, True, "--samples for a model whose.* a decoder that restores units"),
            (None, False, r"`x` to have at least 6 rows. Received: x.shape=\(5, 8, 8, 1\)"),
        ],
    )
    def test_refuses_samples_that_it_cannot_measure(self, table, restores_units, message):
        from aae_tf.cli.evaluate import _measure

        model = SimpleNamespace(table=table, restores_units=restores_units)
        digits = data.load("digits")
        dataset = dataclasses.replace(digits, x_test=digits.x_test[:5], y_test=digits.y_test[:5])
        with pytest.raises(UserError, match=message):
            _measure(None, model, dataset, True)


class TestSample:
    def test_npy_holds_the_models_own_samples(self, invoke, trained, tmp_path):
        out = tmp_path / "new" / "samples.npy"
        invoke("sample", trained, "--count", 5, "--seed", 7, "--out", out)
        model = keras.models.load_model(trained / "model.keras")
        np.testing.assert_array_equal(np.load(out), model.sample(5, seed=7))
        assert [path.name for path in out.parent.iterdir()] == ["samples.npy"]

    def test_png_is_a_grid(self, invoke, trained, tmp_path):
        invoke("sample", trained, "--count", 9, "--out", tmp_path / "samples.png")
        height, width, _ = imread(tmp_path / "samples.png").shape
        assert height == width


class TestExport:
    @pytest.mark.thorough
    def test_versions_count_up_and_can_be_given(self, invoke, trained, tmp_path):
        root = tmp_path / "models"
        for options in ([], [], ["--version", 9]):
            output = invoke("export", trained, "--to", root, "--no-verify", *options).output
        assert f"encoder: {root / 'encoder' / '9'}" in output
        assert f"Next: aae-tf serve {root}" in output
        for name in ("encoder", "decoder"):
            assert sorted(path.name for path in (root / name).iterdir()) == ["1", "2", "9"]


class TestServe:
    @pytest.mark.integration
    def test_answers_then_drains_and_exits_with_0(self, start, trained, models):
        server = start("serve", models, "--grpc-port", 0, "--rest-port", 0)
        lines = [server.stdout.readline().strip() for _ in range(6)]
        assert lines[:3] == [f"Serving {models}:", "decoder, version 1", "encoder, version 1"]
        grpc_port = int(re.search(r"gRPC on 127.0.0.1:(\d+)", lines[3])[1])
        model = keras.models.load_model(trained / "model.keras")

        # The line that is printed for people to try.
        program, _, body, url = shlex.split(lines[4])
        assert program == "curl"
        with urllib.request.urlopen(url, body.encode()) as answer:
            (row,) = json.load(answer)["predictions"]
        np.testing.assert_allclose(row["outputs"], model.sample(seed=[1])[0], atol=1e-6)

        with Client(grpc_port=grpc_port) as client:
            x = data.load("digits").x_test[:3]
            np.testing.assert_allclose(client.encode(x), model.encode(x), atol=1e-6)

        server.send_signal(signal.SIGTERM)
        output, errors = server.communicate(timeout=600)
        assert server.returncode == 0
        assert output.strip().endswith("Stopped.")
        assert errors == ""

    @pytest.mark.integration
    def test_sigterm_while_starting_exits_with_0(self, environment, models):
        # The handler stands before TensorFlow is imported, which takes seconds.
        code = """
import os, signal, sys
sys.argv = ["aae-tf", "serve", sys.argv[1]]
import aae_tf.cli.serve
aae_tf.cli.serve.import_quietly = lambda: os.kill(os.getpid(), signal.SIGTERM)
aae_tf.cli.main()
"""
        done = subprocess.run(
            [sys.executable, "-c", code, str(models)],
            capture_output=True, text=True, env=environment, timeout=600, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_other_models_get_another_example(self):
        from aae_tf.cli.serve import example_request

        class Server:
            host, rest_port, models = "::1", 80, {"mine": 3}

        assert example_request(Server) == "curl http://[::1]:80/v1/models/mine"

    def test_a_decoder_that_knows_classes_gets_a_label_too(self):
        from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

        from aae_tf.cli.serve import example_request

        class Server:
            host, rest_port, models = "127.0.0.1", 80, {"decoder": 3}

            def signatures(self, model):
                signature = SignatureDef()
                for name in ("seed", "label"):
                    signature.inputs[name].SetInParent()
                return {"sample": signature}

        assert '"instances": [{"label": -1, "seed": 1}]' in example_request(Server())


class TestQuickstart:
    @pytest.fixture
    def tiny(self, monkeypatch):
        from aae_tf.cli import quickstart
        from aae_tf.runs.recipe import Recipe

        monkeypatch.setattr(
            quickstart,
            "_RECIPE",
            Recipe(code_dim=2, units=(16,), divergence="mmd", epochs=2, batch_size=250),
        )
        monkeypatch.setattr(quickstart, "_NUM_SEEDS", 20)

    @pytest.mark.integration
    def test_runs_twice(self, invoke, tiny, tmp_path):
        for _ in range(2):
            output = invoke("quickstart", "--root", tmp_path).output
        run, models = tmp_path / "runs" / "quickstart", tmp_path / "saved_models" / "digits"
        assert sorted(path.name for path in run.parent.iterdir()) == ["quickstart"]
        assert (run / "evaluation.json").exists()
        assert '"name":"quickstart"' in (run / "explore.html").read_text()
        assert str(run / "explore.html") in output
        for name in ("encoder", "decoder"):
            assert sorted(path.name for path in (models / name).iterdir()) == ["1", "2"]
            assert str(models / name / "2") in output
        for figure in ("latent", "manifold", "reconstructions", "samples"):
            assert (run / "figures" / f"{figure}.png").exists()
            assert str(run / "figures" / f"{figure}.png") in output
        for protocol in ("grpc", "rest"):
            assert f"{protocol} encode: 297 rows" in output
            assert f"{protocol} sample: 20 rows" in output
        assert f"aae-tf serve {models}" in output

    @pytest.mark.integration
    def test_a_wrong_answer_is_a_failure(self, invoke, tiny, tmp_path, monkeypatch):
        encode = Client.encode
        monkeypatch.setattr(Client, "encode", lambda *args: encode(*args) + 1e-4)
        errors = invoke("quickstart", "--root", tmp_path, code=1).stderr
        assert re.match(
            r"Error: grpc encode: 297 rows in .* s, within 1.0e-04 of the model, ", errors
        )
        assert errors.strip().endswith("expected 1e-06.")

    def test_names_itself_as_it_was_called(self, monkeypatch, tmp_path):
        from aae_tf.cli.quickstart import _program

        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(sys, "argv", [str(tmp_path / ".venv" / "bin" / "aae-tf")])
        assert _program() == ".venv/bin/aae-tf"
        monkeypatch.setattr(sys, "argv", ["pytest"])
        assert _program() == "aae-tf"


def test_tables_fit_a_narrow_terminal():
    from aae_tf.cli.evaluate import _table

    console = rich.console.Console(file=io.StringIO(), width=80)
    numbers = {
        "losses": {"latent_discriminator_accuracy": 0.5, "loss": 12345.678},
        "confusion_matrix": [[1, 2], [3, 4]],
        "class_errors": [0.5, None],
        "cluster_labels": [3, 4],
    }
    console.print(_table(numbers, "title"))
    lines = console.file.getvalue().splitlines()
    assert any(
        "latent_discriminator_accuracy" in line and "0.5 is a draw" in line for line in lines
    )
    text = "\n".join(lines)
    assert "0.50 -" in text
    assert "3 4" in text
    assert "confusion_matrix" not in text
