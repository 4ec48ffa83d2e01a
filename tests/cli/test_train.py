import csv
import dataclasses
import json
import re
import shutil
import signal

import keras
import numpy as np
import pytest
from matplotlib.image import imread
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from aae_tf import AAE, data
from aae_tf.cli import training
from aae_tf.cli.errors import CommandError
from aae_tf.cli.recipe import Recipe
from aae_tf.cli.run_directory import open_run, publish_run

RECIPE = Recipe(
    code_dim=3,
    units=(16,),
    divergence="mmd",
    posterior="gaussian",
    epochs=2,
    batch_size=250,
    seed=3,
)

# What version 0.1 wrote when AAE was the only model.
FIRST_FIELDS = (
    "data", "model", "prior", "prior_scale", "code_dim", "posterior", "divergence",
    "divergence_weight", "network", "units", "discriminator_units", "schedule",
    "reconstruction_loss", "learning_rate", "discriminator_learning_rate", "epochs",
    "batch_size", "steps_per_execution", "seed",
)  # fmt: skip


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", seed=RECIPE.seed)


def tags(directory):
    accumulator = EventAccumulator(str(directory))
    accumulator.Reload()
    return accumulator.Tags()["tensors"]


class TestRunDirectory:
    def test_holds_the_model(self, trained):
        model = keras.models.load_model(trained / "model.keras")
        assert isinstance(model, AAE)
        # 1250 images in batches of 250, once: optimizers and all.
        assert model.optimizer.iterations == 5
        assert model.encode(np.zeros((1, 8, 8, 1), "float32")).shape == (1, 2)

    def test_holds_every_option_and_version(self, trained):
        config = json.loads((trained / "config.json").read_text())
        assert set(config["options"]) == set(Recipe.__dataclass_fields__)
        assert config["options"]["data"] == "digits"
        assert config["options"]["units"] == [16]
        assert config["options"]["batch_size"] == 250
        assert config["epochs_trained"] == 1
        assert config["versions"]["keras"] == keras.__version__
        assert set(config["versions"]) == {
            "python", "aae_tf", "tensorflow", "keras", "tensorflow_probability", "numpy",
        }  # fmt: skip

    def test_opens_without_fields_that_are_newer(self, trained, tmp_path):
        run = shutil.copytree(trained, tmp_path / "run")
        config = json.loads((run / "config.json").read_text())
        config["options"] = {name: config["options"][name] for name in FIRST_FIELDS}
        (run / "config.json").write_text(json.dumps(config))
        assert open_run(run).recipe == open_run(trained).recipe

    def test_holds_the_history(self, trained):
        with (trained / "history.csv").open() as file:
            (row,) = csv.DictReader(file)
        assert row["epoch"] == "1"
        assert float(row["val_reconstruction_loss"]) > 0
        assert 0 <= float(row["latent_discriminator_accuracy"]) <= 1

    def test_holds_scalars_and_images_for_tensorboard(self, trained):
        logs = trained / "logs"
        assert "epoch_latent_divergence" in tags(logs / "train")
        assert "epoch_loss" in tags(logs / "validation")
        for name in ("latent", "reconstructions", "samples"):
            assert tags(logs / name) == [name]

    def test_holds_figures(self, trained):
        figures = sorted((trained / "figures").iterdir())
        assert [path.stem for path in figures] == [
            "latent", "manifold", "reconstructions", "samples",
        ]  # fmt: skip
        for path in figures:
            assert min(imread(path).shape[:2]) > 100

    def test_is_readable_by_others(self, trained):
        umask = trained.parent.joinpath("probe")
        umask.mkdir()
        assert trained.stat().st_mode == umask.stat().st_mode

    def test_stands_alone(self, trained):
        assert not [path for path in trained.parent.iterdir() if path.name.startswith("tmp-")]


@pytest.fixture(scope="module")
def whole(digits, tmp_path_factory):
    """A run of `RECIPE`, both epochs of it."""
    run = tmp_path_factory.mktemp("whole") / "run"
    training.train_run(RECIPE, digits, run, verbose=0)
    return run


def test_wide_codes_have_no_manifold(whole):
    assert not (whole / "figures" / "manifold.png").exists()
    assert (whole / "figures" / "latent.png").exists()


def test_an_empty_directory_is_filled(invoke, digits, tmp_path, monkeypatch):
    monkeypatch.setattr("aae_tf.cli.train.load_data", lambda recipe: digits)
    out = tmp_path / "out"
    out.mkdir()
    output = invoke(
        "train", "--out", out, "--units", "8", "--divergence", "mmd", "--epochs", "1"
    ).output
    assert (out / "model.keras").exists()
    assert f"Next: aae-tf evaluate {out}" in output
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def interrupt_at(monkeypatch, epoch):
    """Presses Ctrl-C at the first batch of an epoch."""
    callbacks = training._callbacks

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, now, logs=None):
            self.now = now

        def on_train_batch_begin(self, batch, logs=None):
            if self.now == epoch:
                raise KeyboardInterrupt

    monkeypatch.setattr(training, "_callbacks", lambda *args: [*callbacks(*args), Interrupt()])


class TestInterrupt:
    """What else an interrupt leaves, and how training goes on, see `test_resume.py`."""

    def test_sigterm_is_an_interrupt(self, start, tmp_path):
        process = start("train", "--out", tmp_path / "run", "--units", "8",
                        "--divergence", "mmd", "--epochs", "100000")  # fmt: skip
        while not process.stdout.readline().startswith("Epoch 2/"):
            assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert errors.startswith("Error: Interrupted in epoch ")
        assert [path.name for path in tmp_path.iterdir()] == ["run.partial"]

    def test_leaves_nothing_before_an_epoch_is_done(self, invoke, tmp_path, monkeypatch):
        interrupt_at(monkeypatch, epoch=0)
        result = invoke("train", "--out", tmp_path / "run", "--units", "8", code=130)
        assert result.stderr == "Error: Interrupted: nothing is written.\n"
        assert list(tmp_path.iterdir()) == []


def test_divergence_to_nan_is_a_failure_that_leaves_nothing(invoke, tmp_path):
    result = invoke(
        "train", "--out", tmp_path / "run", "--units", "8", "--learning-rate", "1e30",
        "--divergence", "mmd", "--epochs", "3", code=1,
    )  # fmt: skip
    assert re.match(
        r"Error: (val_)?loss became nan in epoch \d\. Nothing is written\. "
        r"A lower --learning-rate may help\.\n$",
        result.stderr,
    )
    assert list(tmp_path.iterdir()) == []


def test_data_are_checked_as_fit_checks_them(digits, tmp_path):
    blank = dataclasses.replace(digits, x_train=np.zeros_like(digits.x_train))
    with pytest.raises(CommandError, match="Expected `x_train` to have rows that differ"):
        training.train_run(RECIPE, blank, tmp_path / "run", verbose=0)
    assert list(tmp_path.iterdir()) == []


class TestPublishRun:
    @pytest.fixture
    def finished(self, tmp_path):
        (tmp_path / "run.partial" / "run" / "new").mkdir(parents=True)
        return tmp_path / "run.partial" / "run"

    def test_replaces_what_was_there(self, tmp_path, finished):
        (tmp_path / "run" / "old").mkdir(parents=True)
        publish_run(finished, tmp_path / "run")
        assert [path.name for path in (tmp_path / "run").iterdir()] == ["new"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run.partial"]

    def test_restores_what_was_there(self, tmp_path):
        (tmp_path / "run" / "old").mkdir(parents=True)
        with pytest.raises(FileNotFoundError):
            publish_run(tmp_path / "missing", tmp_path / "run")
        assert [path.name for path in (tmp_path / "run").iterdir()] == ["old"]
        assert [path.name for path in tmp_path.iterdir()] == ["run"]

    def test_gives_back_what_cannot_be_replaced(self, tmp_path, finished, monkeypatch):
        (tmp_path / "run" / "old").mkdir(parents=True)

        def refuse(path, target):
            raise OSError("refused")

        monkeypatch.setattr(type(finished), "rename", refuse)
        with pytest.raises(OSError, match="refused"):
            publish_run(finished, tmp_path / "run")
        assert [path.name for path in (tmp_path / "run").iterdir()] == ["old"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run.partial"]


@pytest.mark.mnist
def test_prepared_data_sets_are_trained_on(invoke, tmp_path):
    invoke(
        "train", "--data", "mnist", "--out", tmp_path / "run",
        "--units", "8", "--discriminator-units", "8", "--epochs", "1", "--batch-size", "5000",
    )  # fmt: skip
    assert json.loads((tmp_path / "run" / "config.json").read_text())["options"]["data"] == "mnist"
    shutil.rmtree(tmp_path / "run")
