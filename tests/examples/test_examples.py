import dataclasses
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from aae_tf import data
from aae_tf.export import SavedModelSession

pytestmark = pytest.mark.integration

FOLDER = Path(__file__).parents[2] / "examples"
# These have tests of their own.
OTHERS = {
    FOLDER / f"{name}.py"
    for name in ("anomalies_in_a_table", "beam_encode", "own_images", "time_series")
}
EXAMPLES = sorted({*FOLDER.glob("*.py")} - OTHERS)


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


@pytest.mark.usefixtures("eager_steps")
def test_own_images(tmp_path):
    main = runpy.run_path(str(FOLDER / "own_images.py"))["main"]
    main(epochs=1, out=str(tmp_path), count=200)
    written = {file.name for file in tmp_path.rglob("*") if file.is_file()}
    assert {"model.keras", "latent.png", "samples.png", "saved_model.pb"} <= written


def test_anomalies_in_a_table(tmp_path, capsys):
    main = runpy.run_path(str(FOLDER / "anomalies_in_a_table.py"))["main"]
    main(epochs=1, out=str(tmp_path))
    assert "'auroc'" in capsys.readouterr().out
    written = {file.name for file in tmp_path.rglob("*") if file.is_file()}
    assert {"detector.json", "why.png", "saved_model.pb"} <= written
    # What the curl that it prints sends.
    with SavedModelSession(tmp_path / "saved_models" / "autoencoder" / "1") as session:
        flow = {"bytes": 900.0, "seconds": 0.2, "packets": 9.0}
        inputs = {name: np.array([value], np.float32) for name, value in flow.items()}
        text = {"protocol": np.array([b"udp"]), "service": np.array([b"backup"])}
        assert 0.0 < session.run("score", {**inputs, **text})["p_value"][0] <= 1.0


@pytest.mark.usefixtures("eager_steps")
def test_time_series(tmp_path, capsys):
    main = runpy.run_path(str(FOLDER / "time_series.py"))["main"]
    main(epochs=1, out=str(tmp_path))
    found = re.search(r"AUROC of steps ([.\d]+)", capsys.readouterr().out)
    assert float(found[1]) > 0.8
    assert {file.name for file in tmp_path.iterdir()} == {
        "model.keras", "detector.json", "steps.png"
    }  # fmt: skip
