"""Exports of models of tables: columns in and out, the same in both loaders and as in Python."""

import json

import numpy as np
import pandas as pd
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


@pytest.mark.sampled
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


@pytest.fixture(scope="module")
def server(model, tmp_path_factory):
    from aae_tf.serving import ModelServer

    root = tmp_path_factory.mktemp("served")
    export.export_servables(model, root, combined=True, verify=False)
    with ModelServer(root, enable_batching=True) as server:
        yield server


@pytest.mark.integration
@pytest.mark.parametrize("protocol", ["grpc", "rest"])
@pytest.mark.parametrize("form", ["dict", "frame"])
def test_server_answers_as_python(model, server, protocol, form):
    from aae_tf.serving import Client

    rows = ROWS if form == "dict" else pd.DataFrame(ROWS)
    expected = {name: outputs for name, (_, outputs) in answers(model).items()}
    with Client(
        grpc_port=server.grpc_port, rest_port=server.rest_port, protocol=protocol, batch_size=4
    ) as client:
        found = {
            "encode": {"latents": client.encode(rows)},
            "classify": client.classify(rows),
            "score": client.score(rows),
            "reconstruct": client.reconstruct(rows),
            "decode": client.decode(*expected["encode"].values()),
            "sample": client.sample(range(4), [0, 1, -1, 0]),
        }
    for signature, outputs in found.items():
        for name, values in outputs.items():
            value = expected[signature].get(name)
            if value is None:  # Codes beside a sample.
                assert name in ("latents", "class_probabilities")
            elif value.dtype == object:
                assert values.tolist() == value.tolist()
            else:
                np.testing.assert_allclose(values, value, rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.integration
def test_rows_by_curl(model, server):
    import urllib.request

    row = {"amount (EUR)": 9.5, "packets": 3, "is_new": 1, "when": "", "Länd": "de", "port": 80}
    body = json.dumps({"signature_name": "score", "instances": [row, {**row, "Länd": "es"}]})
    url = f"http://127.0.0.1:{server.rest_port}/v1/models/autoencoder:predict"
    with urllib.request.urlopen(urllib.request.Request(url, body.encode())) as response:
        found = json.load(response)["predictions"]
    columns = {name: [value, value] for name, value in row.items()} | {"Länd": ["de", "es"]}
    expected = model.score(columns)
    for name, values in expected.items():
        np.testing.assert_allclose([each[name] for each in found], values, rtol=1e-6)


def test_columns_that_the_client_refuses():
    from aae_tf.serving import Client

    with Client(grpc_port=1) as client:
        with pytest.raises(ValueError, match=r"columns of one length.*'a': 1, 'b': 2"):
            client.score({"a": [1.0], "b": [1.0, 2.0]})
        with pytest.raises(TypeError, match=r"column 'a' of `inputs` to hold text.*1.0 in row 1"):
            client.score({"a": ["x", 1.0]})


@pytest.mark.integration
def test_a_frame_is_an_array_to_a_model_of_arrays(tmp_path):
    from aae_tf.serving import Client, ModelServer
    from tests.models.small import INPUTS, build_classifier

    plain = build_classifier()
    export.export_servables(plain, tmp_path, verify=False)
    with ModelServer(tmp_path) as server, Client(grpc_port=server.grpc_port) as client:
        found = client.encode(pd.DataFrame(INPUTS, columns=list("abcd")))
    np.testing.assert_allclose(found, plain.encode(INPUTS), rtol=1e-5, atol=1e-6)
