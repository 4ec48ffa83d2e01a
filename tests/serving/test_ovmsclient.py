"""An independent client of the same protocol, over gRPC and HTTP.

It sends version 0 explicitly unless told otherwise, which is unknown here as in the real server.
"""

import numpy as np
import pytest
from ovmsclient import make_grpc_client, make_http_client
from ovmsclient.tfs_compat.base.errors import (
    InvalidInputError,
    ModelNotFoundError,
    ModelServerError,
)

MAKERS = {"grpc_port": make_grpc_client, "rest_port": make_http_client}


@pytest.fixture(scope="module", params=["grpc_port", "rest_port"])
def client(request, server):
    client = MAKERS[request.param](f"127.0.0.1:{getattr(server, request.param)}")
    yield client
    if request.param == "grpc_port":
        client.channel.close()
    else:
        client.session.close()


@pytest.mark.parametrize("shape", [[3], [2, 2], [1, 2, 3]])
def test_predict(client, shape):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    y = client.predict({"x": x}, "hp2", 123)
    np.testing.assert_allclose(y, x / 2 + 2, rtol=1e-6)


def test_predict_two_inputs_and_outputs(client):
    a = np.float32([[1, 0], [0, 1]])
    outputs = client.predict({"a": a, "b": np.float32([10, 20])}, "linear", 1)
    assert set(outputs) == {"product", "total"}
    np.testing.assert_array_equal(outputs["product"], [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(outputs["total"], [16, 35])


def test_status(client):
    for status in (client.get_model_status("hp2", 123),):
        assert status == {123: {"state": "AVAILABLE", "error_code": 0, "error_message": ""}}


def test_metadata_over_grpc(server):
    client = make_grpc_client(f"127.0.0.1:{server.grpc_port}")
    metadata = client.get_model_metadata("hp2", 123)
    client.channel.close()
    assert metadata == {
        "model_version": 123,
        "inputs": {"x": {"shape": [-1, 1], "dtype": "DT_FLOAT"}},
        "outputs": {"y": {"shape": [-1, 1], "dtype": "DT_FLOAT"}},
    }


def test_metadata_over_http_is_passed_through(server):
    client = make_http_client(f"127.0.0.1:{server.rest_port}")
    metadata = client.get_model_metadata("hp2", 123)
    client.session.close()
    assert metadata["model_spec"] == {"name": "hp2", "signature_name": "", "version": "123"}


def test_errors(client):
    x = {"x": np.float32([1.0])}
    with pytest.raises(ModelNotFoundError, match="Servable not found"):
        client.predict(x, "no", 1)
    with pytest.raises(ModelNotFoundError, match=r"Specific\(hp2, 0\)"):
        client.predict(x, "hp2")
    with pytest.raises(ModelNotFoundError, match="Could not find version 7"):
        client.get_model_status("hp2", 7)
    with pytest.raises(InvalidInputError):
        client.predict({"z": np.float32([1.0])}, "hp2", 123)
    with pytest.raises(ModelServerError):
        client.predict({"a": np.ones([1, 3], "f"), "b": np.ones(1, "f")}, "linear", 1)
