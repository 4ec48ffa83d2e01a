"""Every `--model`: train, evaluate, sample, export, on digits, with networks of 16 units."""

import json

import keras
import numpy as np
import pytest

from aae_tf import models
from aae_tf.runs.run_directory import open_run
from aae_tf.runs.variants import VARIANTS
from tests.cli.conftest import eager

pytestmark = pytest.mark.integration

AUTOENCODER = {"samples", "reconstructions", "latent"}
FIGURES = {
    "label-guided": AUTOENCODER | {"manifold", "interpolations", "confusion"},
    "supervised": AUTOENCODER | {"styles"},
    "semi-supervised": AUTOENCODER | {"styles", "confusion"},
    "clustering": AUTOENCODER | {"clusters"},
    "embedding": AUTOENCODER | {"clusters", "confusion"},
    "vae": AUTOENCODER | {"traversals", "interpolations"},
    "gan": {"samples"},
    "gmmn": {"samples"},
}
ENCODED = {"half_squared_error", "codes", "label_probe_accuracy", "mutual_information_gap", "dci"}
NUMBERS = {"label-guided": ENCODED | {"classification"}, "gan": set()}


def train(invoke, run, model, *options):
    few = ("--labels", 100) if VARIANTS[model].labels in ("some", "any") else ()
    units = () if model in ("vae", "gmmn") else ("--discriminator-units", 16)
    return invoke(
        "train", "--model", model, "--out", run, "--units", 16, "--epochs", 1,
        "--batch-size", 1250, *few, *units, *options,
    )  # fmt: skip


@pytest.mark.parametrize("name", FIGURES)  # The plain one is everywhere else.
@pytest.mark.usefixtures("eager_steps")
def test_trains(invoke, tmp_path, name):
    run = tmp_path / "run"
    assert f"Trained {name} on digits" in train(invoke, run, name).output
    assert {path.stem for path in (run / "figures").iterdir()} == FIGURES[name]
    model = keras.models.load_model(run / "model.keras")
    assert type(model) is getattr(models, type(model).__name__)
    assert model.num_classes == (
        None if not VARIANTS[name].has_classes else 16 if name == "clustering" else 10
    )

    # Each costs seconds, and what differs between models is tested with `evaluation`.
    if name in NUMBERS:
        invoke("evaluate", run)
        numbers = json.loads((run / "evaluation.json").read_text())
        assert set(numbers) == {"images", "losses", "parzen"} | NUMBERS[name]


@pytest.fixture(scope="module")
def run(invoke, tmp_path_factory):
    """A run of an embedding without labels, where clusters are no classes."""
    run = tmp_path_factory.mktemp("with_classes") / "run"
    with eager():
        train(invoke, run, "embedding", "--labels", 0, "--clusters", 12)
    return run


class TestWithClasses:
    def test_samples_take_labels_in_turn(self, invoke, run, tmp_path):
        invoke("sample", run, "--count", 5, "--labels", "3,1", "--out", tmp_path / "a.npy")
        model = keras.models.load_model(run / "model.keras")
        expected = model.sample(labels=[3, 1, 3, 1, 3], seed=0)
        np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), expected)

    def test_labels_out_of_range_are_refused(self, invoke, run, tmp_path):
        result = invoke("sample", run, "--labels", "12", "--out", tmp_path / "a.npy", code=2)
        assert result.stderr.startswith("Error: Expected `labels`")
        assert list(tmp_path.iterdir()) == []

    def test_clusters_without_labels_are_evaluated_as_such(self, invoke, run):
        invoke("evaluate", run)
        numbers = json.loads((run / "evaluation.json").read_text())
        expected = {"images", "losses", "parzen", "clustering", "class_frequencies"}
        assert set(numbers) == expected | ENCODED

    def test_nothing_of_labels_is_logged(self, run):
        assert "accuracy" not in (run / "history.csv").read_text().splitlines()[0].split(",")

    def test_exports_encoder_and_decoder(self, invoke, run, tmp_path):
        invoke("export", run, "--to", tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["decoder", "encoder"]


@pytest.mark.usefixtures("eager_steps")
def test_a_model_without_an_encoder_exports_its_decoder(invoke, tmp_path):
    train(invoke, tmp_path / "run", "gmmn")
    output = invoke("export", tmp_path / "run", "--to", tmp_path / "models", "--no-verify").output
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["decoder"]
    assert "encoder" not in output


def test_a_recipe_and_what_overrides_it(invoke, tmp_path):
    run = tmp_path / "run"
    invoke(
        "train", "--recipe", "latent-2d-ring-mmd", "--data", "digits", "--units", "16",
        "--epochs", "1", "--set", "prior_scale=2", "--set", "batch-size=250", "--out", run,
    )  # fmt: skip
    recipe = open_run(run).recipe
    assert (recipe.data, recipe.prior, recipe.divergence) == ("digits", "ring_mixture", "mmd")
    assert (recipe.prior_scale, recipe.batch_size, recipe.units) == (2.0, 250, (16,))
