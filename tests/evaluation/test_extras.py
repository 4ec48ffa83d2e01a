"""Evaluation and callbacks where Matplotlib and scikit-learn are not installed."""

import importlib
import re
import sys

import numpy as np
import pytest

import aae_tf

EXTRAS = ("matplotlib", "sklearn")


def missing(package, purpose, extra):
    return re.escape(
        f'Expected {package} to be installed for {purpose}: pip install "aae_tf[{extra}]".'
    )


FIGURES = f"^{missing('matplotlib', 'figures', 'figures')}$"


@pytest.fixture
def packages(monkeypatch):
    """Evaluation and callbacks, imported anew where the extras cannot be."""
    rooms = ("aae_tf.evaluation", "aae_tf.callbacks")
    for room in rooms:
        monkeypatch.setattr(aae_tf, room.partition(".")[2], importlib.import_module(room))
    for name in list(sys.modules):
        if name.startswith(rooms):
            monkeypatch.delitem(sys.modules, name)
        if name.partition(".")[0] in EXTRAS:
            monkeypatch.setitem(sys.modules, name, None)
    return [importlib.import_module(room) for room in rooms]


@pytest.mark.thorough
def test_numbers_need_no_extra_and_figures_name_theirs(packages, make_aae, images, tmp_path):
    evaluation, callbacks = packages
    model = make_aae(divergence="mmd")
    model.compile()
    probabilities = np.eye(3)[[0, 1, 2, 0]]
    labels = np.arange(64) % 3

    assert evaluation.evaluate_model(model, images)["codes"]
    assert evaluation.classification_scores(probabilities, [0, 1, 2, 0])["error"] == 0.0
    assert evaluation.class_frequency_test([0, 1, 1], [0.5, 0.5]).statistic > 0.0
    callbacks.LatentFit(images)
    callbacks.ClassFrequencies(images)

    for draw in (evaluation.sample_grid, lambda x: evaluation.model_latents(model, x)):
        with pytest.raises(ImportError, match=FIGURES):
            draw(images)
    with pytest.raises(ImportError, match=FIGURES):
        callbacks.SampleGrid(directory=tmp_path)
    with pytest.raises(ImportError, match=missing("scikit-learn", "clustering_scores", "data")):
        evaluation.clustering_scores(probabilities, [0, 1, 2, 0], probabilities, [0, 1, 2, 0])
    with pytest.raises(ImportError, match=missing("scikit-learn", "linear_probe", "data")):
        evaluation.linear_probe(probabilities, [0, 1, 2, 0], probabilities, [0, 1, 2, 0])
    # Refused before anything is computed.
    model.evaluate = model.sample = None
    with pytest.raises(ImportError, match=missing("scikit-learn", "scores of labels", "data")):
        evaluation.evaluate_model(model, images, labels, validation=(images, labels))
