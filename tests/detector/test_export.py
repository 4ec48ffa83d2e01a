"""What a detector's export answers, through both loaders and over gRPC and REST."""

import json
import urllib.request

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from aae_tf import AAE, AnomalyDetector, export, networks, priors
from aae_tf.export.saved_model import full_precision
from aae_tf.serving import Client, ModelServer
from tests.models import small

RATES = np.array([0.01, 0.5, 1.0, 0.0, np.nan], np.float32)
ROWS = np.random.default_rng(1).standard_normal((300, 4)).astype("float32")
# An anomaly, one that overflows, and three rows that are like the others.
ASKED = np.concatenate([[[9.0, 0.0, 0.0, -9.0], [3e38, 0.0, 0.0, 0.0]], ROWS[-3:]]).astype("f4")


@pytest.fixture(autouse=True, scope="module")
def _as_for_users(rewritten_graphs):
    """Runs sessions as a server does, rewriting included."""


@pytest.fixture(scope="module")
def detector():
    decoder = networks.mlp_decoder((4,), 2, (8,), output_activation="linear", seed=2)
    model = small.build(AAE, prior=priors.gaussian(2), divergence="mmd", decoder=decoder)
    return AnomalyDetector(model, false_alarm_rate=0.1).calibrate(ROWS)


@pytest.fixture(scope="module")
def root(detector, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    assert detector.export(folder / "autoencoder" / "1") == folder / "autoencoder" / "1"
    return folder


@pytest.fixture(scope="module")
def expected(detector):
    """What Python answers, by the signature."""
    score = detector.score(ASKED)
    at = {**score, "is_anomaly": (score["p_value"] <= RATES).astype(int)}
    at = {
        name: np.concatenate([rows[:-1], np.full_like(rows[-1:], -1 if name[0] == "i" else np.nan)])
        for name, rows in at.items()
    }
    assert at["is_anomaly"].tolist() == [score["p_value"][0] <= 0.01, 1, 1, 0, -1]
    return {"score": score, "score_at": at, "explain": detector.explain(ASKED)}


def inputs(signature):
    return {"inputs": ASKED, **({"false_alarm_rate": RATES} if signature == "score_at" else {})}


def check(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        # The error of the row that overflows is infinite, and its reconstruction is none.
        np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.sampled
@pytest.mark.parametrize("loader", [export.SavedModelSession, export.CApiSession])
def test_both_loaders_answer_as_python(root, expected, loader):
    with loader(root / "autoencoder" / "1") as session:
        for signature, answer in expected.items():
            check(session.run(signature, inputs(signature)), answer)
        holed = ASKED.copy()
        holed[2, 0] = np.nan
        scores = session.run("score", {"inputs": holed})
        assert scores["is_anomaly"][2] == -1 and np.isnan(scores["p_value"][2])
        others = np.delete(expected["score"]["is_anomaly"], 2)
        np.testing.assert_array_equal(np.delete(scores["is_anomaly"], 2), others)


@pytest.mark.thorough
def test_grpc_and_rest_answer_as_python(root, expected):
    with ModelServer(root, grpc_port=0, rest_port=0) as server:
        for ports in ({"grpc_port": server.grpc_port}, {"rest_port": server.rest_port}):
            with Client("localhost", **ports) as client:
                check(client.score(ASKED[2:]), {n: v[2:] for n, v in expected["score"].items()})
                p_values = expected["score"]["p_value"][2:]
                for x, rates in ((ASKED[2:], [0.01, 0.5, 0.9]), (pd.DataFrame(ASKED[2:]), 0.5)):
                    scores = client.score_at(x, rates)
                    assert scores["is_anomaly"].tolist() == (p_values <= rates).tolist()
        rows = [{"inputs": row.tolist(), "false_alarm_rate": 0.5} for row in ASKED[2:]]
        body = json.dumps({"signature_name": "score_at", "instances": rows}).encode()
        url = f"http://localhost:{server.rest_port}/v1/models/autoencoder:predict"
        with urllib.request.urlopen(url, body) as response:
            answers = json.load(response)["predictions"]
        p_values = np.array([answer["p_value"] for answer in answers])
        np.testing.assert_allclose(p_values, expected["score"]["p_value"][2:], rtol=1e-6)
        assert [answer["is_anomaly"] for answer in answers] == (p_values <= 0.5).tolist()


def test_card_has_the_threshold(detector, root):
    card = export.read_model_card(root / "autoencoder" / "1")
    assert card["threshold"] == -detector.threshold_
    assert card["false_alarm_rate"] == 0.1
    assert card["num_calibration_rows"] == 200
    assert card["columns"] == ["0", "1", "2", "3"]
    assert card["variant"] == "AAE"


def test_a_model_of_mixed_precision_is_exported_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    decoder = networks.mlp_decoder((4,), 2, (8,), output_activation="linear", seed=2)
    model = small.build(AAE, prior=priors.gaussian(2), divergence="mmd", decoder=decoder)
    detector = AnomalyDetector(model, false_alarm_rate=0.1).calibrate(ROWS)
    with full_precision(detector):
        answer = detector.signatures()["score"].graph(inputs=tf.constant(ASKED))
    check(answer, detector.score(ASKED))
