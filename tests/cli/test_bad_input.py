"""Every mistake gets one line on stderr and exit code 2, and leaves nothing behind."""

import json
import shutil
import socket

import numpy as np
import pytest


def error(invoke, *args, code=2):
    result = invoke(*args, code=code)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    return line.removeprefix("Error: ")


class TestTrain:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--model", "bert"], "Expected `model` to be one of 'aae', 'label-guided'"),
            (["--recipe", "best"], "Expected `recipe` to be one of 'likelihood', "),
            (["--units", "10,x"], "Expected `units` to be integers with commas between them"),
            (["--epochs", "many"], "Expected `epochs` to be an integer. Received: epochs='many'."),
            (["--learning-rate", "-1"], "Expected `learning_rate` to be positive"),
            (
                ["--set", "mass=3"],
                "Expected --set to name a field of a recipe: data, label_",
            ),
            (
                ["--labels", "100"],
                "Expected `labels` to be left out with model='aae', where it means nothing. "
                "Received: labels=100.",
            ),
            (["--recipe", "gan", "--clusters", "3"], "Expected `clusters` to be left out with mod"),
            (
                ["--model", "label-guided", "--prior", "uniform"],
                "Expected `prior` to be 'ring_mixture' or 'swiss_roll' with model='label-guided'",
            ),
        ],
    )
    def test_options(self, invoke, tmp_path, options, message):
        line = error(invoke, "train", "--out", tmp_path / "runs" / "a", *options)
        assert line.startswith(message)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--data", "no_such_data"], "Expected `name` to be a data set on this machine"),
            (["--data", "../etc"], "Expected `name` to be a file or a folder. Received: ../etc."),
            (["--data", "a b"], "Expected `name` to be 'digits', or the name of"),
            (["--prior", "ring_mixture", "--code-dim", "1"], "Expected `dim` to be at least 2"),
            (
                ["--model", "semi-supervised", "--labels", "15"],
                "Expected `num_labels` to be a multiple of the 10 classes",
            ),
            (
                ["--model", "embedding", "--clusters", "20", "--units", "4"],
                "Expected `clusters` to be the 10 classes of the labels",
            ),
        ],
    )
    def test_options_and_data(self, invoke, tmp_path, monkeypatch, options, message):
        monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
        line = error(invoke, "train", "--out", tmp_path / "runs" / "a", *options)
        assert line.startswith(message)
        assert list(tmp_path.iterdir()) == []

    def test_images_that_do_not_halve_evenly(self, invoke, tmp_path, monkeypatch):
        class Odd:
            x_train = x_validation = np.zeros((20, 7, 7, 1), np.float32)
            y_train = y_validation = np.zeros(20, np.int64)
            num_classes = 10
            class_names = ()
            table = steps = None

        monkeypatch.setattr("aae_tf.cli.train.load_data", lambda recipe: Odd)
        line = error(invoke, "train", "--out", tmp_path / "a", "--network", "conv")
        assert "both sides divisible by 4" in line
        assert list(tmp_path.iterdir()) == []

    def test_directory_that_holds_something(self, invoke, tmp_path):
        (tmp_path / "a").write_text("mine")
        line = error(invoke, "train", "--out", tmp_path)
        assert line.startswith("Expected --out to be a new or an empty directory.")
        line = error(invoke, "train", "--out", tmp_path / "a")
        assert line.startswith("Expected --out to be a new or an empty directory.")
        assert (tmp_path / "a").read_text() == "mine"

    def test_directory_below_a_file(self, invoke, tmp_path):
        (tmp_path / "a").write_text("mine")
        line = error(invoke, "train", "--out", tmp_path / "a" / "b")
        assert line.startswith("Expected --out to be where you can write.")

    def test_no_directory(self, invoke):
        assert error(invoke, "train") == "Missing option '--out'. See `aae-tf train --help`."


@pytest.mark.parametrize(
    "arguments", [["evaluate"], ["sample", "--out", "a.png"], ["export", "--to", "a"]]
)
class TestRun:
    def arguments(self, arguments, run):
        command, *options = arguments
        return [command, run, *options]

    def test_missing(self, invoke, tmp_path, monkeypatch, arguments):
        monkeypatch.chdir(tmp_path)
        line = error(invoke, *self.arguments(arguments, "nowhere"))
        assert line.startswith("Expected RUN to be a directory that `aae-tf train` has written.")
        assert line.endswith("nowhere, where there is no config.json.")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.thorough
    def test_without_its_model(self, invoke, trained, tmp_path, arguments):
        shutil.copy(trained / "config.json", tmp_path)
        line = error(invoke, *self.arguments(arguments, tmp_path))
        assert line.endswith("where there is no model.keras.")

    @pytest.mark.parametrize("config", ["{", '{"options": {"epochs": 0}}', "[]", "{}"])
    def test_with_another_config(self, invoke, trained, tmp_path, arguments, config):
        (tmp_path / "config.json").write_text(config)
        shutil.copy(trained / "model.keras", tmp_path)
        line = error(invoke, *self.arguments(arguments, tmp_path))
        assert "to be as `aae-tf train` writes it." in line


def test_evaluate_without_the_data(invoke, trained, tmp_path, monkeypatch):
    run = shutil.copytree(trained, tmp_path / "run")
    config = json.loads((run / "config.json").read_text())
    config["options"]["data"] = "no_such_data"
    (run / "config.json").write_text(json.dumps(config))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    line = error(invoke, "evaluate", run)
    assert line.startswith("Expected `name` to be a data set on this machine")
    assert not (run / "evaluation.json").exists()


class TestSample:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--out", "a.jpg"], "Expected --out to end in .png, .npy or .csv. Received: a"),
            (["--out", "a.png", "--count", "0"], "Invalid value for '--count'"),
            (["--out", "a.png", "--count", "10001"], "Expected --count to be at most 10000"),
            (["--out", "a.png", "--seed", "-1"], "Invalid value for '--seed'"),
            (["--out", "a.png", "--labels", "a"], "Expected --labels to be left out"),
            (["--out", "a.csv"], "Expected --out to end in .csv for a model of a table"),
            (
                ["--out", "a.png", "--labels", "1"],
                "Expected --labels to be left out: model='aae' knows no classes. Received: --l",
            ),
        ],
    )
    def test_options(self, invoke, trained, tmp_path, monkeypatch, options, message):
        monkeypatch.chdir(tmp_path)
        assert error(invoke, "sample", trained, *options).startswith(message)
        assert list(tmp_path.iterdir()) == []

    def test_file_that_cannot_be_written(self, invoke, trained, tmp_path):
        (tmp_path / "a").write_text("mine")
        line = error(invoke, "sample", trained, "--out", tmp_path / "a" / "b.png")
        assert "File exists" in line or "Not a directory" in line
        assert [path.name for path in tmp_path.iterdir()] == ["a"]


class TestExport:
    def test_version_that_is_there(self, invoke, trained, tmp_path):
        (tmp_path / "decoder" / "3").mkdir(parents=True)
        line = error(invoke, "export", trained, "--to", tmp_path, "--version", "3")
        assert line.startswith("Expected a `version` that is not there yet.")
        assert not (tmp_path / "encoder").exists()

    def test_version_zero(self, invoke, trained, tmp_path):
        line = error(invoke, "export", trained, "--to", tmp_path / "a", "--version", "0")
        assert line.startswith("Invalid value for '--version'")
        assert list(tmp_path.iterdir()) == []

    def test_root_below_a_file(self, invoke, trained, tmp_path):
        (tmp_path / "a").write_text("mine")
        line = error(invoke, "export", trained, "--to", tmp_path / "a" / "b")
        assert "Not a directory" in line


class TestServe:
    def test_no_folder(self, invoke, tmp_path):
        line = error(invoke, "serve", tmp_path / "nowhere")
        assert "does not exist" in line

    def test_no_models(self, invoke, tmp_path):
        assert error(invoke, "serve", tmp_path).startswith("Expected `root` to hold a folder per")

    def test_port_in_use(self, invoke, tmp_path):
        (tmp_path / "a" / "1").mkdir(parents=True)
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            line = error(invoke, "serve", tmp_path, "--rest-port", port)
        assert line.startswith("Expected `rest_port` to be free on `host`.")

    def test_model_that_does_not_load(self, invoke, tmp_path):
        (tmp_path / "a" / "1").mkdir(parents=True)
        line = error(invoke, "serve", tmp_path, "--grpc-port", 0, "--rest-port", 0)
        assert line.startswith("Expected version 1 of model 'a' to load.")

    def test_one_port_twice(self, invoke, tmp_path):
        line = error(invoke, "serve", tmp_path, "--grpc-port", 9000, "--rest-port", 9000)
        assert line.startswith("Expected `grpc_port` and `rest_port` to differ.")

    def test_port_out_of_range(self, invoke, tmp_path):
        assert error(invoke, "serve", tmp_path, "--grpc-port", 70000).startswith("Invalid value")


def test_unknown_recipe(invoke):
    assert error(invoke, "recipes", "best").startswith("Expected `recipe` to be one of 'likel")


def test_unknown_command(invoke):
    assert error(invoke, "sing") == "No such command 'sing'. See `aae-tf --help`."
