"""Exports of models of tables: columns in and out, the same in both loaders and as in Python."""

import json

import numpy as np
import pytest

from aae_tf import export
from aae_tf.export.exportable import Signature
from aae_tf.tables import to_columns
from tests.tables import small

ROWS = {
    **small.rows(0, 6),
    # An infinite, a missing and an unknown value.
    "packets": [np.inf, np.nan, 3, 4, 5, 6],
    "Länd": ["es", "", "de", "straße", None, "fr"],
    "when": ["2024-02-29T12:30:01", "", "2023-01-01", "2024-01-02", "2024-01-03", "2025-01-01"],
}


@pytest.fixture(scope="module")
def model():
    return small.build_classifier()


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "1"
    model.export(path, verbose=False)
    return path


def answers(model):
    """Inputs of each signature, and what the model's own methods answer."""
    columns = to_columns(ROWS, model.table)
    seeds, labels = np.arange(4), np.array([0, 1, -1, 0])
    latents, probabilities = model.encode(ROWS), model.classify(ROWS)
    codes = {"latents": latents, "class_probabilities": probabilities}
    return {
        "encode": (columns, codes),
        "classify": (
            columns,
            {"class_probabilities": probabilities, "class_id": probabilities.argmax(axis=1)},
        ),
        "score": (columns, model.score(ROWS)),
        "reconstruct": (columns, model.reconstruct(ROWS)),
        "decode": (codes, model.decode(latents, probabilities)),
        "sample": (
            {"seed": seeds, "label": labels},
            model.sample(labels=labels, seed=seeds),
        ),
    }


def assert_equal(found, expected):
    for name, value in expected.items():
        if value.dtype == object:
            assert [text.decode() for text in found[name]] == value.tolist(), name
        else:
            np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("loader", [export.SavedModelSession, export.CApiSession])
def test_loaders_answer_as_python(model, path, loader):
    with loader(path) as session:
        for signature, (inputs, expected) in answers(model).items():
            assert_equal(session.run(signature, inputs), expected)


def test_rows_do_not_depend_on_each_other(model, path):
    columns = to_columns(ROWS, model.table)
    with export.SavedModelSession(path) as session:
        together = session.run("score", columns)
        for row in range(6):
            alone = session.run("score", {k: v[row : row + 1] for k, v in columns.items()})
            for name, values in alone.items():
                np.testing.assert_allclose(values, together[name][row : row + 1], rtol=1e-5)


def test_the_card_names_columns(path):
    card = json.loads((path / "MODEL_CARD.json").read_text())
    inputs = card["signatures"]["encode"]["inputs"]
    assert inputs["amount (EUR)"] == {"dtype": "float32", "shape": [None]}
    assert inputs["Länd"] == {"dtype": "string", "shape": [None]}
    assert set(card["signatures"]["decode"]["outputs"]) == set(small.schema().names)
    assert card["table"] == json.loads(small.schema().to_json())


def test_names_that_the_graph_would_change_are_kept():
    plain = Signature(lambda a: {"b": a}, {"a": None})
    assert plain.parameters == {"a": "a"}
    odd = Signature(lambda **x: x, {"a": None, "A b": None})
    assert odd.parameters == {"a": "input_0", "A b": "input_1"}
