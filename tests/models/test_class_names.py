"""Names of classes: labels, samples, saved files and exports."""

import json

import keras
import numpy as np
import pandas as pd
import pytest

from aae_tf import export, models, priors
from tests.models.small import INPUTS, LABELS, build, build_classifier

NAMES = ("cat", "dog", "eel")


@pytest.fixture(scope="module")
def model():
    return build(
        models.SemiSupervisedAAE,
        2 + 3,
        style_prior=priors.gaussian(2),
        num_classes=3,
        style_divergence="mmd",
        class_divergence="mmd",
        class_names=NAMES,
    )


@pytest.mark.thorough
def test_labels_may_be_names(model):
    model.compile()
    names = np.array([*NAMES, ""], object)[LABELS]
    expected = model.evaluate(INPUTS, LABELS, verbose=0)
    for labels in (names, pd.Series(names), names.tolist()):
        assert model.evaluate(INPUTS, labels, verbose=0) == expected
    with pytest.raises(ValueError, match=r"Expected `y` to be names of classes.*Received: 'cow'"):
        model.evaluate(INPUTS, ["cow"] * 40, verbose=0)


def test_samples_of_a_name(model):
    by_number = model.sample(4, labels=2, seed=0)
    np.testing.assert_array_equal(model.sample(4, labels="eel", seed=0), by_number)
    np.testing.assert_array_equal(model.sample(labels=["eel"] * 4, seed=0), by_number)
    with pytest.raises(ValueError, match="Expected `labels` to be names of classes"):
        model.sample(4, labels="cow", seed=0)


def test_names_are_saved_and_exported(model, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.class_names == NAMES
    again.export(tmp_path / "1", verbose=False)
    with export.SavedModelSession(tmp_path / "1") as session:
        answer = session.run("classify", {"inputs": INPUTS})
    names = [NAMES[i] for i in model.classify(INPUTS).argmax(axis=1)]
    assert [name.decode() for name in answer["class_name"]] == names
    card = json.loads((tmp_path / "1" / "MODEL_CARD.json").read_text())
    assert card["class_names"] == list(NAMES)


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (["a", "b"], ValueError, "one for each class"),
        (["a", "b", "b"], ValueError, "all different"),
        ([0, 1, 2], TypeError, "Expected `class_names` to be text"),
    ],
)
def test_bad_names_are_refused(names, error, message):
    with pytest.raises(error, match=message):
        build(
            models.SemiSupervisedAAE,
            2 + 3,
            style_prior=priors.gaussian(2),
            num_classes=3,
            class_names=names,
        )


def test_models_without_names_answer_as_before():
    assert set(build_classifier().signatures()["classify"].outputs) == {
        "class_id",
        "class_probabilities",
    }
