"""Calls of a running server, and one line for what goes wrong."""

import io
import json
import re
import socket

import numpy as np
import pytest
import tensorflow as tf
from matplotlib.image import imread

from aae_tf import export
from aae_tf.cli.query import parse_seeds
from aae_tf.runs.errors import UserError
from aae_tf.serving import ModelServer
from tests.models.small import INPUTS, NUM_CLASSES, build_classifier


@pytest.fixture(scope="module")
def model():
    return build_classifier()


class Images(tf.Module):
    """A decoder of 4 x 4 images, all of the seed's value."""

    @tf.function
    def sample(self, seed):
        values = tf.cast(seed, tf.float32)[:, None, None, None] / 16.0
        return {"outputs": tf.tile(values, [1, 4, 4, 1]), "latents": values[:, :, 0, 0]}


@pytest.fixture(scope="module")
def server(model, tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    export.export_servables(model, root, version=3, verify=False)
    export.export_model(model, root / "autoencoder" / "5", verify=False)
    images = Images()
    sample = images.sample.get_concrete_function(tf.TensorSpec([None], tf.int64, name="seed"))
    tf.saved_model.save(images, str(root / "images" / "1"), signatures={"sample": sample})
    with ModelServer(root) as server:
        yield server


@pytest.fixture(params=["grpc", "rest"])
def query(invoke, server, request):
    ports = ("--grpc-port", server.grpc_port, "--rest-port", server.rest_port)

    def run(*args, **kwargs):
        return invoke("query", *args, *ports, "--protocol", request.param, **kwargs)

    return run


@pytest.fixture
def inputs(tmp_path):
    np.save(tmp_path / "inputs.npy", INPUTS[:5])
    return tmp_path / "inputs.npy"


@pytest.mark.thorough
def test_encode(query, model, inputs, tmp_path):
    out = tmp_path / "new" / "latents.npy"
    lines = query("encode", "--input", inputs, "--output", out).output.splitlines()
    latents = model.encode(INPUTS[:5])
    np.testing.assert_allclose(np.load(out), latents, atol=1e-6)
    summary = re.fullmatch(r"latents: float32 \[5, 2\], from (.+) to (.+), mean (.+)", lines[0])
    expected = latents.min(), latents.max(), latents.mean()
    np.testing.assert_allclose([float(text) for text in summary.groups()], expected, rtol=1e-3)
    assert lines[1:] == [f"Wrote {out}"]
    assert [path.name for path in out.parent.iterdir()] == ["latents.npy"]


def test_pixels_are_divided(query, model, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, INPUTS[:5].shape, np.uint8)
    np.save(tmp_path / "x.npy", pixels)
    out = tmp_path / "latents.npy"
    query("encode", "--input", tmp_path / "x.npy", "--divide-by", 255, "--output", out)
    np.testing.assert_allclose(np.load(out), model.encode(pixels / 255.0), atol=1e-6)


def test_decode_the_latents_again(query, model, inputs, tmp_path):
    latents, classes = model.encode(INPUTS[:5]), np.eye(NUM_CLASSES)[[0, 1, 2, 0, 1]]
    np.save(tmp_path / "latents.npy", latents)
    np.save(tmp_path / "classes.npy", classes)
    query(
        *("decode", "--input", tmp_path / "latents.npy", "--output", tmp_path / "outputs.npy"),
        *("--class-probabilities", tmp_path / "classes.npy", "--batch-size", 2),
    )
    outputs = np.load(tmp_path / "outputs.npy")
    np.testing.assert_allclose(outputs, model.decode(latents, classes), atol=1e-6)


def test_npz_holds_every_array(query, model, inputs, tmp_path):
    output = query("classify", "--input", inputs, "--output", tmp_path / "a.npz").output
    with np.load(tmp_path / "a.npz") as arrays:
        assert set(arrays) == {"class_id", "class_probabilities"}
        probabilities = model.classify(INPUTS[:5])
        np.testing.assert_allclose(arrays["class_probabilities"], probabilities, atol=1e-6)
    assert "class_id: int64 [5], from" in output
    assert f"class_probabilities: float32 [5, {NUM_CLASSES}], from" in output


def test_sample_with_a_label(query, model, tmp_path):
    out = tmp_path / "samples.npy"
    query("sample", "--seeds", "3:7", "--label", 1, "--output", out)
    expected = model.sample(labels=np.full(4, 1), seed=np.arange(3, 7))
    np.testing.assert_allclose(np.load(out), expected, atol=1e-6)


def test_png_is_a_grid(query, tmp_path):
    out = tmp_path / "samples.png"
    query("sample", "--model", "images", "--seeds", "0:16", "--output", out)
    height, width, _ = imread(out).shape
    assert height == width


def test_the_combined_export(query, model, inputs, tmp_path):
    query("reconstruct", "--input", inputs, "--output", tmp_path / "outputs.npy")
    outputs = np.load(tmp_path / "outputs.npy")
    np.testing.assert_allclose(outputs, model.reconstruct(INPUTS[:5]), atol=1e-6)
    query("score", "--input", inputs, "--output", tmp_path / "errors.npy", "--version", 5)
    errors = 0.5 * ((INPUTS[:5] - outputs) ** 2).reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(np.load(tmp_path / "errors.npy"), errors, rtol=1e-4)


def test_without_output_nothing_is_written(query, inputs, tmp_path):
    assert query("encode", "--input", inputs).output.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["inputs.npy"]


def test_status(query):
    assert query("status").output.splitlines() == [
        "encoder, version 3: AVAILABLE",
        "decoder, version 3: AVAILABLE",
    ]
    assert query("status", "--model", "images").output == "images, version 1: AVAILABLE\n"
    output = query("status", "--model", "autoencoder", "--version", 5).output
    assert output == "autoencoder, version 5: AVAILABLE\n"


def test_metadata(query):
    answer = json.loads(query("metadata", "--model", "images").output)
    assert answer["images"]["sample"]["inputs"] == {"seed": {"dtype": "int64", "shape": [None]}}
    assert set(json.loads(query("metadata").output)) == {"encoder", "decoder"}


def test_a_decoder_alone(invoke, aae_decoder):
    with ModelServer(aae_decoder) as alone:
        output = invoke("query", "status", "--grpc-port", alone.grpc_port).output
        assert output == "decoder, version 1: AVAILABLE\n"


@pytest.fixture
def aae_decoder(tmp_path):
    images = Images()
    sample = images.sample.get_concrete_function(tf.TensorSpec([None], tf.int64, name="seed"))
    tf.saved_model.save(images, str(tmp_path / "r/decoder/1"), signatures={"sample": sample})
    return tmp_path / "r"


def line(result):
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line.removeprefix("Error: ")


class TestTheServerRefuses:
    @pytest.mark.parametrize(
        ("args", "message"),
        [
            (("status", "--model", "no"), "NOT_FOUND: Could not find any versions of model no"),
            (("metadata", "--model", "no"), "NOT_FOUND: "),
            (("sample", "--seeds", "1", "--label", "0", "--version", 9), "NOT_FOUND: "),
            (("sample", "--seeds", "1", "--version-label", "a", "--label", "0"), "INVALID_ARG"),
            (("sample", "--seeds", "1"), "INVALID_ARGUMENT: "),  # its label is missing
        ],
    )
    def test_exit_code_1(self, query, args, message):
        assert line(query(*args, code=1)).startswith(message)

    def test_no_server(self, invoke):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
            for protocol in ("grpc", "rest"):
                options = (f"--{protocol}-port", port, "--protocol", protocol, "--timeout", 0.5)
                message = line(invoke("query", "status", *options, code=1))
                # On a slow machine the time is up before the first refusal.
                assert "UNAVAILABLE" in message or "DEADLINE_EXCEEDED" in message


def _npy(array, **kwargs):
    buffer = io.BytesIO()
    np.save(buffer, array, **kwargs)
    return buffer.getvalue()


class TestBadInput:
    @pytest.mark.parametrize(
        ("args", "message"),
        [
            (("encode",), "Expected --input to be given for encode."),
            (("sample",), "Expected --seeds to be given for sample."),
            (("status", "--seeds", "1"), "Expected --seeds to be left out: status does not take"),
            (("status", "--output", "a.npy"), "Expected --output to be left out: status"),
            (("status", "--version-label", "a"), "Expected --version-label to be left out"),
            (("sample", "--seeds", "1", "--input", "a"), "Expected --input to be left out"),
            (
                ("sample", "--seeds", "1", "--class-probabilities", "a"),
                "Expected --class-probabilities to be left out: sample does not take it.",
            ),
            (("sample", "--seeds", "1", "--output", "a.jpg"), "Expected --output to end in .npy"),
            (("sample", "--seeds", "0:10001", "--output", "a.png"), "Expected at most 10000 rows"),
            (("sample", "--seeds", "a"), "Expected --seeds to be START:STOP, such as 0:16, or"),
            (("sample", "--seeds", "1", "--timeout", "0"), "Expected `timeout` to be above 0 "),
            (
                ("sample", "--seeds", "1", "--version", "1", "--version-label", "a"),
                "Expected either `version` or `label`.",
            ),
            (("sing",), "Invalid value for 'method'"),
            (("status", "--protocol", "soap"), "Invalid value for '--protocol'"),
        ],
    )
    def test_options(self, invoke, args, message):
        assert line(invoke("query", *args, code=2)).startswith(message)

    @pytest.mark.sampled
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, "[Errno 2] No such file or directory"),
            (b"", "Expected --input to be a .npy file. Received: "),
            (b"PK\x03\x04", "Expected --input to be a .npy file."),
            (_npy(np.ones([2, 2]))[:-1], "Expected --input to be a .npy file."),
            (_npy(np.array([{}]), allow_pickle=True), "Expected --input to be a .npy file."),
            (_npy(np.ones([2, 2])).replace(b"}", b"("), "Expected --input to be a .npy file."),
            (
                _npy(np.ones([2, 2])).replace(b"(2, 2), }" + 12 * b" ", b"(999999999999999, 2)}"),
                "Expected --input to be a .npy file.",
            ),
            (_npy(np.array(["a"])), "Expected --input to hold rows of numbers. Received: "),
            (_npy(np.ones([])), "Expected --input to hold rows of numbers."),
            (_npy(np.ones([0, 2])), "Expected --input to hold rows of numbers."),
            (
                _npy(np.ones([2, 2], np.uint8)),
                "Expected --input to hold floats; --divide-by 255 turns 8-bit pixels into [0, 1], ",
            ),
            (_npy(np.array([[1.0], [np.nan]])), "Expected --input to have finite values. Receiv"),
            (_npy(np.array([[1.0], [1e300]])), "Expected --input to have finite values. Receiv"),
        ],
    )
    def test_files(self, invoke, tmp_path, content, message):
        path = tmp_path / "a.npy"
        if content is not None:
            path.write_bytes(content)
        assert line(invoke("query", "encode", "--input", path, code=2)).startswith(message)

    def test_classes_of_8_bit(self, invoke, tmp_path):
        np.save(tmp_path / "z.npy", np.ones([2, 2], np.float32))
        np.save(tmp_path / "a.npy", np.eye(2, dtype=np.uint8))
        args = ("--input", tmp_path / "z.npy", "--class-probabilities", tmp_path / "a.npy")
        message = line(invoke("query", "decode", *args, code=2))
        assert message == (
            f"Expected --class-probabilities to hold floats. Received: {tmp_path}/a.npy of dtype "
            "uint8."
        )

    def test_divisors(self, invoke, inputs):
        args = ("query", "encode", "--input", inputs, "--divide-by", "0")
        assert line(invoke(*args, code=2)).startswith("Expected `divide_by` to be positive in fl")
        message = line(invoke("query", "sample", "--seeds", "1", "--divide-by", "255", code=2))
        assert message == "Expected --divide-by to be left out: sample does not take it."

    def test_what_is_no_image_is_not_drawn(self, query, tmp_path):
        args = ("sample", "--seeds", "1", "--label", "0", "--output", tmp_path / "a.png")
        result = query(*args, code=2)
        assert "Error: Expected `samples` to be images" in result.stderr
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", ":", "5:5", "5:1", "1,", "1:2:3", "0.5", str(2**63), "1:"])
def test_bad_seeds(text):
    with pytest.raises(UserError, match="--seeds"):
        parse_seeds(text)
