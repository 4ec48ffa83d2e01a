import dataclasses
import runpy
from pathlib import Path

import pytest

from aae_tf import data

pytestmark = pytest.mark.integration

FOLDER = Path(__file__).parents[2] / "examples"
# `beam_encode.py` has a test of its own.
EXAMPLES = sorted({*FOLDER.glob("*.py")} - {FOLDER / "beam_encode.py"})


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
@pytest.mark.usefixtures("eager_steps")
def test_example_runs_on_some_of_the_bundled_digits(path, tmp_path, monkeypatch):
    digits = data.load("digits")
    splits = ("x_train", "y_train", "x_validation", "y_validation", "x_test", "y_test")
    few = dataclasses.replace(digits, **{name: getattr(digits, name)[:200] for name in splits})
    monkeypatch.setattr(data, "load", lambda name: few)
    main = runpy.run_path(str(path))["main"]
    main("digits", epochs=1, out=str(tmp_path / "out"))
    written = {file.name for file in (tmp_path / "out").rglob("*") if file.is_file()}
    assert {"model.keras", "latent.png", "saved_model.pb"} <= written
