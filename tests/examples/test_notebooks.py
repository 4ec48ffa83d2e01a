"""The notebooks run from start to end, and give what is stored in them."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

pytestmark = [
    pytest.mark.integration,
    # Of Jupyter and what it imports.
    pytest.mark.filterwarnings("ignore"),
]


def _outputs(cell):
    """Returns the kinds of a cell's outputs; what libraries write to the error stream is noise."""
    outputs = (each for each in cell.get("outputs", []) if each.get("name") != "stderr")
    kinds = [
        "image" if "image/png" in each.get("data", {}) else each.output_type for each in outputs
    ]
    return list(dict.fromkeys(kinds))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_and_shows_what_it_stores(path, tmp_path):
    nbformat = pytest.importorskip("nbformat", reason="Jupyter is not installed")
    nbclient = pytest.importorskip("nbclient", reason="Jupyter is not installed")
    stored = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(fresh, timeout=600, resources=resources).execute()
    for before, after in zip(stored.cells, fresh.cells, strict=True):
        if before.cell_type == "code":
            assert _outputs(before) == _outputs(after), before.source
    # A notebook is stored as it ran, from top to bottom.
    counts = [cell.execution_count for cell in stored.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


def test_there_are_two_notebooks():
    assert [path.stem for path in NOTEBOOKS] == ["latent_space", "semi_supervised"]
