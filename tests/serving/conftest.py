import contextlib
import http.client
import json
import random
import socket
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from aae_tf import SemiSupervisedAAE, export
from aae_tf.serving import ModelServer
from tests.models.small import build_classifier
from tests.serving.client.asking import WAYS


@pytest.fixture(autouse=True, scope="package")
def _as_for_users(rewritten_graphs: None) -> None:
    """Runs sessions as a server does, rewriting included."""


class HalfPlusTwo(tf.Module):
    """The fixture of TensorFlow Serving's own tests: y = x / 2 + 2, declared as [-1, 1]."""

    def __init__(self):
        super().__init__()
        self.a = tf.Variable(0.5)
        self.b = tf.Variable(2.0)

    @tf.function
    def half_plus_two(self, x):
        return {"y": self.a * x + self.b}

    def save(self, path: Path) -> None:
        signature = self.half_plus_two.get_concrete_function(tf.TensorSpec([None, 1], name="x"))
        tf.saved_model.save(self, str(path), signatures=signature)


class Linear(tf.Module):
    """Two inputs and two outputs; a matrix product, whose kernel checks shapes."""

    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])

    @tf.function
    def __call__(self, a, b):
        product = a @ self.kernel
        return {"product": product, "total": tf.reduce_sum(product, axis=1) + b}

    def save(self, path: Path) -> None:
        signature = self.__call__.get_concrete_function(
            tf.TensorSpec([None, 2], name="a"), tf.TensorSpec([None], name="b")
        )
        tf.saved_model.save(self, str(path), signatures=signature)


class Kinds(tf.Module):
    """A signature that echoes each dtype, and some that are awkward on purpose."""

    DTYPES = (
        *("float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64"),
        *("uint8", "uint16", "uint32", "uint64", "bool", "string", "complex64", "complex128"),
    )

    def save(self, path: Path) -> None:
        def any_shape(dtype, name):
            return tf.TensorSpec(None, dtype, name=name)

        def signature(function, *specs):
            return tf.function(function).get_concrete_function(*specs)

        def loop(steps):
            (count,) = tf.while_loop(lambda i: i < steps, lambda i: [i + 1], [tf.zeros_like(steps)])
            return {"count": count}

        x = any_shape(tf.float32, "x")
        signatures = {
            dtype: signature(lambda x: {"y": tf.identity(x)}, any_shape(dtype, "x"))
            for dtype in self.DTYPES
        }
        signatures |= {
            "bytes": signature(
                lambda s: {"raw": s, "raw_bytes": tf.identity(s)}, any_shape(tf.string, "s")
            ),
            "none": signature(lambda: {"y": tf.constant([1.0])}),
            "scalar": signature(lambda x: {"y": tf.reduce_sum(x)}, x),
            "uneven": signature(lambda x: {"y": x, "z": tf.concat([x, x], axis=0)}, x),
            "empty": signature(lambda x: {"y": x[:0]}, tf.TensorSpec([None, 3], name="x")),
            "reciprocal": signature(lambda x: {"y": 1.0 / x}, x),
            "loop": signature(loop, tf.TensorSpec([], tf.int64, name="steps")),
        }
        tf.saved_model.save(self, str(path), signatures=signatures)


def set_default(path: Path, name: str, value: np.ndarray) -> None:
    """Give an input of the default signature a default, for which Python has no exporter."""
    saved_model = SavedModel.FromString((path / "saved_model.pb").read_bytes())
    signature = saved_model.meta_graphs[0].signature_def["serving_default"]
    signature.defaults[name].CopyFrom(tf.make_tensor_proto(value))
    (path / "saved_model.pb").write_bytes(saved_model.SerializeToString())


@pytest.fixture(scope="session")
def odd_name() -> str:
    """A model name that a URL carries percent-encoded only."""
    return "!#$%&'()*+,:;=?@[]"


@pytest.fixture(scope="session")
def root(tmp_path_factory, odd_name) -> Path:
    root = tmp_path_factory.mktemp("models")
    HalfPlusTwo().save(root / "hp2" / "00000123")
    (root / "hp2" / "124.tmp").mkdir()  # an export being written
    (root / "hp2" / "7").mkdir()  # an older version, which need not even load
    HalfPlusTwo().save(root / odd_name / "20170111173521")
    Linear().save(root / "linear" / "1")
    Kinds().save(root / "kinds" / "1")
    Linear().save(root / "defaulted" / "1")
    set_default(root / "defaulted" / "1", "b", np.float32([100.0]))
    (root / "not-a-model").mkdir()
    return root


@pytest.fixture(scope="package")
def server(root, _as_for_users):
    """A server of `root`, for tests that only read."""
    with ModelServer(root, max_body_bytes=2**20, request_timeout=2.0) as server:
        yield server


class Answer(NamedTuple):
    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture(scope="module")
def http_call(server):
    """A raw HTTP client: `http_call(method, path, body, headers)`."""
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=30.0)

    def call(method, path, body=None, headers=None) -> Answer:
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    yield call
    connection.close()


@pytest.fixture(scope="session")
def aae_root(tmp_path_factory) -> Path:
    """An encoder and a decoder with the signatures of an export, and weights known by heart."""

    class Encoder(tf.Module):
        def __init__(self, scale):
            super().__init__()
            self.kernel = tf.Variable(scale * np.arange(12.0, dtype=np.float32).reshape(4, 3))

        @tf.function
        def encode(self, inputs):
            return {"latents": tf.reshape(inputs, [-1, 4]) @ self.kernel}

    class Decoder(tf.Module):
        def __init__(self):
            super().__init__()
            self.scale = tf.Variable(0.5)

        @tf.function
        def decode(self, latents, class_probabilities):
            outputs = tf.concat([latents, class_probabilities], axis=1)
            return {"outputs": self.scale * outputs}

        @tf.function
        def sample(self, seed, label):
            latents = tf.stack([tf.sin(tf.cast(seed, tf.float32)), tf.cast(label, tf.float32)], 1)
            return {"outputs": self.scale * latents, "latents": latents}

    root = tmp_path_factory.mktemp("aae")
    for version, scale in ((9, 9.0), (10, 0.1)):
        encoder = Encoder(scale)
        encode = encoder.encode.get_concrete_function(tf.TensorSpec([None, 2, 2], name="inputs"))
        tf.saved_model.save(
            encoder,
            str(root / "encoder" / str(version)),
            signatures={"encode": encode, "serving_default": encode},
        )
    decoder = Decoder()
    tf.saved_model.save(
        decoder,
        str(root / "decoder" / "1"),
        signatures={
            "decode": decoder.decode.get_concrete_function(
                tf.TensorSpec([None, 3], name="latents"),
                tf.TensorSpec([None, 2], name="class_probabilities"),
            ),
            "sample": decoder.sample.get_concrete_function(
                tf.TensorSpec([None], tf.int64, name="seed"),
                tf.TensorSpec([None], tf.int64, name="label"),
            ),
        },
    )
    return root


@pytest.fixture(scope="package")
def aae_server(aae_root, _as_for_users):
    """A server of `aae_root`, for tests that only read."""
    with ModelServer(aae_root, file_system_poll_wait_seconds=0) as server:
        yield server


@pytest.fixture(scope="package")
def classifier() -> SemiSupervisedAAE:
    """A model with classes, untrained."""
    return build_classifier()


@pytest.fixture(scope="package")
def classifier_root(classifier, tmp_path_factory) -> Path:
    """The export of `classifier`, all its signatures in one model `everything`."""
    root = tmp_path_factory.mktemp("combined")
    export.export_model(classifier, root / "everything" / "1")
    return root


@pytest.fixture(scope="package")
def classifier_server(classifier_root, _as_for_users):
    """A server of `classifier_root`."""
    with ModelServer(classifier_root, file_system_poll_wait_seconds=0) as server:
        yield server


@pytest.fixture
def fixed_ports() -> dict[str, int]:
    """Ports for a server that comes back on them.

    They lie below those that the system hands out, so that nobody gets them in between.
    """
    ports: list[int] = []
    while len(ports) < 2:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            ports.append(port)
    return {"grpc_port": ports[0], "rest_port": ports[1]}


@pytest.fixture(params=WAYS, ids=lambda way: "-".join(way))
def way(request):
    """A kind of client and a protocol."""
    return request.param
