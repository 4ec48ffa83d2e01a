"""What the examples of docstrings share; `tests/conftest.py` has what the tests share."""

import keras
import pytest


@pytest.fixture(autouse=True)
def _eager_examples(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the steps of an example without a graph, which takes longer to trace than to run."""
    if isinstance(request.node, pytest.DoctestItem):
        eager = property(lambda model: True, lambda model, value: None)
        monkeypatch.setattr(keras.Model, "run_eagerly", eager)
