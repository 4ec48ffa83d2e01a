"""The embedded server, started from the very files of the deployment."""

import inspect
import json
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from aae_tf.serving import ModelServer
from tests.serving.deployment.deployment import FOLDER, load_yaml, read, server_options

# The fixture's kernel: 0, 1, ... 11 times the scale of the version.
pytestmark = pytest.mark.integration

SCALES = {1: 9.0, 2: 0.1}


@pytest.fixture(scope="module")
def folder(aae_root, tmp_path_factory) -> Path:
    """A working copy's view: `serving` and two versions of two models in saved_models/digits."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "serving").symlink_to(FOLDER)
    models = folder / "saved_models" / "digits"
    for version, copied in ((1, "9"), (2, "10")):
        shutil.copytree(aae_root / "encoder" / copied, models / "encoder" / str(version))
        shutil.copytree(aae_root / "decoder" / "1", models / "decoder" / str(version))
    return folder


def in_folder(folder, file):
    """The file as the operator's guide has it rewritten: with the paths of a working copy."""
    commands = re.search(
        r"^mkdir -p runs\n^sed .* serving/models\.config > runs/models\.config$",
        read("README.md"),
        re.MULTILINE,
    )[0]
    commands = commands.replace("models.config", file)
    subprocess.run(["bash", "-euc", commands], cwd=folder, check=True)
    return folder / "runs" / file


def start(folder, file):
    """A server with what compose.yaml gives the real one, as far as this one has the option."""
    service = load_yaml("compose.yaml")["services"]["serving-cpu"]
    options = server_options([*service["entrypoint"], *service["command"]])
    known = inspect.signature(ModelServer).parameters
    options = {name: value for name, value in options.items() if name in known}
    files = {name: FOLDER / path.name for name, path in options.items() if name.endswith("_file")}
    assert len(files) == 3
    files["model_config_file"] = in_folder(folder, file)
    return ModelServer(**options | files)


@pytest.fixture(scope="module")
def server(folder):
    with start(folder, "models.config") as server:
        yield server


@pytest.fixture(scope="module")
def canary(folder):
    with start(folder, "models.canary.config") as server:
        yield server


def images(rows):
    return np.random.default_rng(0).normal(size=(rows, 2, 2)).astype(np.float32)


def encoded(inputs, version):
    """By hand what the version of the fixture gives."""
    kernel = np.arange(12.0, dtype=np.float32).reshape(4, 3) * np.float32(SCALES[version])
    return inputs.reshape(-1, 4) @ kernel


def get(server, path):
    url = f"http://127.0.0.1:{server.rest_port}{path}"
    with urllib.request.urlopen(url, timeout=30.0) as response:
        return response.read().decode()


def encode_over_grpc(server, inputs):
    """One request, through the real server's own stub: our client may cut inputs up."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "encoder", "encode"
    request.inputs["inputs"].CopyFrom(tf.make_tensor_proto(inputs))
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        return tf.make_ndarray(stub.Predict(request, timeout=30.0).outputs["latents"])


def encode_over_rest(server, inputs, label=""):
    body = json.dumps({"signature_name": "encode", "instances": inputs.tolist()}).encode()
    path = f"/v1/models/encoder{label and f'/labels/{label}'}:predict"
    url = f"http://127.0.0.1:{server.rest_port}{path}"
    with urllib.request.urlopen(url, body, timeout=30.0) as response:
        return json.load(response)["predictions"]


def test_every_model_of_the_file_is_served_in_its_highest_version(server):
    assert server.models == {"encoder": 2, "decoder": 2}


@pytest.mark.parametrize("rows", [1, 7, 64, 65, 200])
def test_rows_come_back_as_they_went_in_whatever_the_padding_and_splitting(server, rows):
    inputs = images(rows)
    latents = encode_over_grpc(server, inputs)
    np.testing.assert_allclose(latents, encoded(inputs, 2), atol=1e-5)


def test_batching_is_in_effect(server):
    """A request is refused exactly above the rows that batching.config allows."""
    assert len(encode_over_grpc(server, images(16384))) == 16384
    with pytest.raises(grpc.RpcError, match="Task size 16385 is larger than maximum") as error:
        encode_over_grpc(server, images(16385))
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_metrics_are_where_prometheus_looks(server):
    encode_over_rest(server, images(1))
    (job,) = load_yaml("prometheus.yml")["scrape_configs"]
    metrics = get(server, job["metrics_path"])
    assert "# TYPE :tensorflow:serving:request_count counter" in metrics
    for name in re.findall(r"(:tensorflow:serving:[a-z_:]+)", read("README.md")):
        assert f"\n{name}" in metrics, name


def test_canary_answers_by_label_and_without_one_by_the_highest_version(canary):
    inputs = images(2)
    for label, version in (("stable", 1), ("canary", 2), ("", 2)):
        answer = encode_over_rest(canary, inputs, label)
        np.testing.assert_allclose(answer, encoded(inputs, version), rtol=1e-5, atol=1e-5)


def test_canary_keeps_both_versions_available(canary):
    for model in ("encoder", "decoder"):
        versions = json.loads(get(canary, f"/v1/models/{model}"))["model_version_status"]
        states = {version["version"]: version["state"] for version in versions}
        assert states == {"1": "AVAILABLE", "2": "AVAILABLE"}
