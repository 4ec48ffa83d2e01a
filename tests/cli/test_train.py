import csv
import json
import math
import re
import shutil
import signal

import keras
import numpy as np
import pytest
from matplotlib.image import imread
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from aae_tf import AAE
from aae_tf.runs import training
from aae_tf.runs.errors import UserError
from aae_tf.runs.recipe import Recipe
from aae_tf.runs.run_directory import open_run
from tests.cli.conftest import TINY
from tests.data.conftest import prepare_tiny

# What version 0.1 wrote when AAE was the only model.
FIRST_FIELDS = (
    "data", "model", "prior", "prior_scale", "code_dim", "posterior", "divergence",
    "divergence_weight", "network", "units", "discriminator_units", "schedule",
    "reconstruction_loss", "learning_rate", "discriminator_learning_rate", "epochs",
    "batch_size", "steps_per_execution", "seed",
)  # fmt: skip


SECOND_OF_TWO = json.dumps(
    {
        "cluster": {"worker": ["127.0.0.1:2222", "127.0.0.1:2223"]},
        "task": {"type": "worker", "index": 1},
    }
)


def tags(directory):
    accumulator = EventAccumulator(str(directory))
    accumulator.Reload()
    return accumulator.Tags()["tensors"]


class TestRunDirectory:
    def test_holds_the_model(self, trained):
        model = keras.models.load_model(trained / "model.keras")
        assert isinstance(model, AAE)
        # 1250 images in batches of 250, once: the file holds the optimizers too.
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
            "interpolations", "latent", "manifold", "reconstructions", "samples",
        ]  # fmt: skip
        for path in figures:
            assert min(imread(path).shape[:2]) > 100

    def test_is_readable_by_others(self, trained):
        umask = trained.parent.joinpath("probe")
        umask.mkdir()
        assert trained.stat().st_mode == umask.stat().st_mode

    def test_stands_alone(self, trained):
        assert not [path for path in trained.parent.iterdir() if path.name.startswith("tmp-")]


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

    @pytest.mark.integration
    def test_sigterm_is_an_interrupt(self, start, tmp_path):
        process = start("train", "--out", tmp_path / "run", "--units", "8",
                        "--divergence", "mmd", "--epochs", "100000")  # fmt: skip
        while not process.stdout.readline().startswith("Epoch 2/"):
            assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 130
        assert errors.startswith("Error: Interrupted in epoch ")
        assert [path.name for path in tmp_path.iterdir()] == ["run.partial"]

    def test_the_quickstart_starts_over(self, invoke, tmp_path, monkeypatch):
        partial = tmp_path / "runs" / "quickstart.partial"

        def interrupted(*args, **kwargs):
            partial.mkdir(parents=True)
            raise UserError("The same command continues.", 130) from KeyboardInterrupt()

        monkeypatch.setattr("aae_tf.cli.quickstart.train_run", interrupted)
        result = invoke("quickstart", "--root", tmp_path, code=130)
        assert result.stderr == "Error: Interrupted: the same command starts over.\n"
        assert not partial.exists()

    def test_leaves_nothing_before_an_epoch_is_done(self, invoke, tmp_path, monkeypatch):
        interrupt_at(monkeypatch, epoch=0)
        result = invoke("train", "--out", tmp_path / "run", "--units", "8", code=130)
        assert result.stderr == "Error: Interrupted: nothing is written.\n"
        assert list(tmp_path.iterdir()) == []


@pytest.mark.thorough
def test_divergence_to_nan_is_a_failure_that_leaves_nothing(invoke, tmp_path):
    result = invoke(
        "train", "--out", tmp_path / "run", "--units", "8", "--learning-rate", "1e38",
        "--divergence", "mmd", "--epochs", "3", code=1,
    )  # fmt: skip
    assert re.match(
        r"Error: (val_)?loss became nan in epoch \d\. Nothing is written\. "
        r"A lower --learning-rate may help\.\n$",
        result.stderr,
    )
    assert list(tmp_path.iterdir()) == []


class TestStrategy:
    def test_unknown_strategy(self, invoke, tmp_path):
        result = invoke("train", "--out", tmp_path / "run", "--strategy", "two", code=2)
        assert "Expected `strategy` to be one of" in result.output
        assert "Received: strategy='two'" in result.output

    def test_multi_worker_without_a_cluster(self, invoke, tmp_path, monkeypatch):
        monkeypatch.delenv("TF_CONFIG", raising=False)
        result = invoke("train", "--out", tmp_path / "run", "--strategy", "multi-worker", code=2)
        assert "Expected TF_CONFIG in the environment" in result.output
        assert not (tmp_path / "run.partial").exists()

    def test_a_worker_that_comes_late_has_nothing_to_do(self, invoke, trained, monkeypatch):
        monkeypatch.setenv("TF_CONFIG", SECOND_OF_TWO)
        arguments = ("train", "--strategy", "multi-worker", "--out", trained)
        assert invoke(*arguments, *TINY).output == f"Trained already: {trained}\n"
        result = invoke(*arguments, *TINY, "--seed", "5", code=2)
        assert "Expected --out to be a new or an empty directory" in result.output


@pytest.mark.thorough
@pytest.mark.usefixtures("eager_steps")
def test_a_run_in_mixed_precision_is_saved_and_evaluated(invoke, tmp_path):
    run = tmp_path / "run"
    run.mkdir()  # An empty directory is filled.
    output = invoke("train", "--out", run, *TINY, "--precision", "mixed-bfloat16").output
    assert f"Next: aae-tf evaluate {run}" in output
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    options = json.loads((run / "config.json").read_text())["options"]
    assert options["precision"] == "mixed_bfloat16"
    model = keras.models.load_model(run / "model.keras")
    assert model.encoder.layers[-1].compute_dtype == "bfloat16"
    invoke("evaluate", run)
    numbers = json.loads((run / "evaluation.json").read_text())
    assert math.isfinite(numbers["half_squared_error"])


def test_another_precision_is_refused(invoke, tmp_path):
    result = invoke("train", "--out", tmp_path / "run", "--precision", "float64", code=2)
    assert "Expected `precision` to be one of 'float32', 'mixed_bfloat16'" in result.stderr


@pytest.mark.thorough
@pytest.mark.usefixtures("eager_steps")
def test_prepared_data_sets_are_trained_on(invoke, tmp_path, monkeypatch):
    prepare_tiny(tmp_path / "tfds")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    run = tmp_path / "run"
    invoke("train", "--data", "tiny", "--out", run, *TINY)
    assert json.loads((run / "config.json").read_text())["options"]["data"] == "tiny"
    assert open_run(run).load_model().decoder.output_shape == (None, 4, 5, 1)
