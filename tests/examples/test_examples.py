import runpy
from pathlib import Path

import pytest

EXAMPLES = sorted(Path(__file__).parents[2].glob("examples/*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs_on_the_bundled_digits(path, tmp_path):
    main = runpy.run_path(str(path))["main"]
    main("digits", epochs=1, out=str(tmp_path / "out"))
    written = {file.name for file in (tmp_path / "out").rglob("*") if file.is_file()}
    assert {"model.keras", "latent.png", "saved_model.pb"} <= written
