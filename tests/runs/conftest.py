import os
from pathlib import Path

import pytest

from aae_tf import data
from aae_tf.runs import training
from aae_tf.runs.recipe import Recipe

RECIPE = Recipe(
    code_dim=3,
    units=(16,),
    discriminator_units=(16,),
    posterior="gaussian",
    dropout=0.1,
    schedule="alternating",
    epochs=2,
    batch_size=250,
    steps_per_execution=2,
    seed=3,
)


@pytest.fixture(scope="session")
def digits() -> data.Dataset:
    return data.load("digits", seed=RECIPE.seed)


@pytest.fixture(scope="session")
def whole(digits, tmp_path_factory) -> Path:
    """A run of `RECIPE` that nothing has interrupted."""
    run = tmp_path_factory.mktemp("whole") / "run"
    training.train_run(RECIPE, digits, run, verbose=0)
    return run


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out what takes longer than a tiny training."""
    monkeypatch.setattr(training, "figure_callbacks", lambda *args: [])
    monkeypatch.setattr(training, "write_report", lambda *args: None)


@pytest.fixture
def environment() -> dict[str, str]:
    """The variables of a user's shell, which set no log level."""
    return {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
