import grpc
import numpy as np
import pytest

from aae_tf.serving import ServingError
from aae_tf.serving.client.calls import make_target
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
