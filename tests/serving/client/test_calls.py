import grpc
import numpy as np
import pytest

from aae_tf.serving import ServingError
from aae_tf.serving.client import calls
from aae_tf.serving.client.calls import make_target
from tests.models.small import INPUTS, NUM_CLASSES
from tests.serving.client.asking import ask
from tests.serving.client.fake_servers import SERVERS, Behaviour

ROWS = np.ones([1, 2], np.float32)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, None),
        ({"version": 3}, 3),
        ({"version": 0}, 0),
        ({"label": "stable"}, "stable"),
        ({"label": "a/b:c é%"}, "a/b:c é%"),
    ],
)
def test_requests_carry_the_version_or_the_label(way, options, expected):
    kind, protocol = way
    behaviour = Behaviour()
    with SERVERS[protocol](behaviour) as port:
        arguments = {f"{protocol}_port": port}
        rows = np.ones([2, 2], np.float32)
        ask(kind, arguments, "encode", rows, **options, batch_size=1)
        ask(kind, arguments, "predict", "encoder", {"inputs": ROWS}, "encode", **options)
    assert {asked.version for asked in behaviour.predicts} == {expected}


@pytest.mark.integration
def test_status_asks_for_a_version(way):
    kind, protocol = way
    behaviour = Behaviour()
    behaviour.states = ["LOADING"]
    with SERVERS[protocol](behaviour) as port:
        assert ask(kind, {f"{protocol}_port": port}, "status", "a", 7) == {1: "LOADING"}
    assert behaviour.asked[0].version == 7


class TestAgainstTheServer:
    @pytest.fixture
    def asked(self, way, aae_server):
        kind, protocol = way
        arguments = {f"{protocol}_port": getattr(aae_server, f"{protocol}_port")}
        return lambda *args, **kwargs: ask(kind, arguments, *args, **kwargs)

    def test_versions_and_labels(self, asked):
        image = np.ones([1, 2, 2], np.float32)
        np.testing.assert_array_equal(asked("encode", image, version=10), asked("encode", image))
        with pytest.raises(ServingError, match=r"NOT_FOUND: .*Specific\(encoder, 9\)"):
            asked("encode", image, version=9)
        with pytest.raises(ServingError, match="Unrecognized servable version label") as caught:
            asked("encode", image, label="none")
        assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT

    def test_metadata(self, asked):
        floats = {"dtype": "float32"}
        encode = {
            "inputs": {"inputs": {**floats, "shape": (None, 2, 2)}},
            "outputs": {"latents": {**floats, "shape": (None, 3)}},
        }
        assert asked("metadata", "encoder") == {"encode": encode, "serving_default": encode}
        assert asked("metadata", "encoder", 10) == asked("metadata", "encoder")
        sample = asked("metadata", "decoder")["sample"]
        assert sample["inputs"]["seed"] == {"dtype": "int64", "shape": (None,)}
        with pytest.raises(ServingError, match="NOT_FOUND"):
            asked("metadata", "no")
        with pytest.raises(ServingError, match="Unrecognized servable version label"):
            asked("metadata", "encoder", label="none")


def test_metadata_of_unknown_ranks_and_strings(way, server):
    kind, protocol = way
    port = f"{protocol}_port"
    signatures = ask(kind, {port: getattr(server, port)}, "metadata", "kinds")
    assert signatures["string"]["inputs"] == {"x": {"dtype": "string", "shape": None}}
    assert signatures["loop"]["inputs"] == {"steps": {"dtype": "int64", "shape": ()}}
    assert not any(name.startswith("__") for name in signatures)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("", 1), ValueError, r"`model` to be a name\. Received: model=''"),
        (("a", -1), ValueError, "`version` to be at least 0"),
        (("a", "1"), TypeError, "`version` to be an integer"),
        (("a", None, ""), ValueError, r"`label` to be a name\. Received: label=''"),
        (
            ("a", 1, "b"),
            ValueError,
            r"either `version` or `label`\. .*version=1, label='b'",
        ),
    ],
)
def test_bad_targets(arguments, error, message):
    with pytest.raises(error, match=message):
        make_target(*arguments)


def test_a_client_refuses_bad_targets_before_it_asks(way):
    kind, protocol = way
    arguments = {f"{protocol}_port": 1}
    for method in ("encode", "classify", "decode", "sample", "reconstruct", "score"):
        with pytest.raises(ValueError, match="either `version` or `label`"):
            ask(kind, arguments, method, [1], version=1, label="a")
    with pytest.raises(ValueError, match="either `version` or `label`"):
        ask(kind, arguments, "predict", "a", {}, "", 1, label="a")
    with pytest.raises(ValueError, match="either `version` or `label`"):
        ask(kind, arguments, "metadata", "a", 1, label="a")
    with pytest.raises(ValueError, match="`version` to be at least 0"):
        ask(kind, arguments, "status", "a", -1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'tiemout'"):
        ask(kind, arguments, "encode", [1], tiemout=1)


@pytest.mark.parametrize("rate", [0.0, 1.0, [0.1, 0.2], [[0.1]], np.nan])
def test_rates_are_checked(rate):
    with pytest.raises(ValueError, match="`false_alarm_rate` to be a number in"):
        calls.score_at([[0.5], [0.25], [0.75]], rate)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (np.uint8([[1, 255]]), TypeError, r"dtype=uint8\. Scale 8-bit pixels: \w+ / 255\. Client"),
        (np.int8([[1, -1]]), TypeError, r"floats \(images: in \[0, 1\]\)\. .*dtype=int8"),
        ([[0.5], [np.nan]], ValueError, r"finite values\. Received: \w+\[1, 0\]=nan\. Client\("),
        # Too large for float32.
        ([[0.5, -1e39]], ValueError, r"finite values\. Received: \w+\[0, 1\]=-inf"),
    ],
)
def test_a_client_refuses_what_models_refuse_before_it_asks(way, rows, error, message):
    kind, protocol = way
    arguments = {f"{protocol}_port": 1}
    for method in ("encode", "classify", "decode", "reconstruct", "score"):
        with pytest.raises(error, match=message):
            ask(kind, arguments, method, rows)
    with pytest.raises(error, match=r"`class_probabilities` to .*" + message):
        ask(kind, arguments, "decode", ROWS, rows)
    with pytest.raises(TypeError, match=r"`check_values` to be a bool\. .*=0"):
        ask(kind, {**arguments, "check_values": 0}, "encode", ROWS)


def test_a_client_that_is_told_so_sends_what_models_refuse(way, aae_server):
    kind, protocol = way
    arguments = {f"{protocol}_port": getattr(aae_server, f"{protocol}_port"), "check_values": False}
    pixels = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
    latents = ask(kind, arguments, "encode", pixels)
    np.testing.assert_array_equal(latents, ask(kind, arguments, "encode", pixels.astype(float)))
    holed = np.where(pixels == 2, np.nan, pixels)
    answer = ask(kind, arguments, "encode", holed)
    assert np.isnan(answer[0]).all()
    np.testing.assert_array_equal(answer[1], latents[1])
    outputs = ask(kind, arguments, "decode", [[1.0, np.inf, 1.0]], [[np.nan, 1.0]])
    np.testing.assert_array_equal(outputs, [[0.5, np.inf, 0.5, np.nan, 0.5]])


@pytest.mark.integration
def test_rows_of_nan_are_served_as_nan(way, classifier, classifier_server):
    kind, protocol = way
    port = {f"{protocol}_port": getattr(classifier_server, f"{protocol}_port")}
    names = dict.fromkeys(("encoder", "decoder", "autoencoder"), "everything")
    holed = INPUTS[:3].copy()
    holed[1, 2] = np.nan

    def served(method, *rows):
        return ask(kind, {**port, **names, "check_values": False}, method, *rows)

    codes = {"latents": served("encode", holed), **served("classify", holed)}
    assert codes.pop("class_id")[1] == -1
    outputs = {
        "outputs": served("reconstruct", holed),
        "decoded": served("decode", codes["latents"], np.eye(NUM_CLASSES)),
        **served("score", holed),
    }
    for name, values in {**codes, **outputs}.items():
        assert np.isnan(values[1]).all(), name
        assert np.isfinite(values[[0, 2]]).all(), name
    np.testing.assert_allclose(codes["latents"][0], classifier.encode(holed[:1])[0], atol=1e-6)
