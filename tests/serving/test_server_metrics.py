"""Metrics, read back by Prometheus' own parser (case 59)."""

import http.client
import json

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from aae_tf.serving import Client, ModelServer, ServingError
from aae_tf.serving.admission import Workers

pytestmark = pytest.mark.integration

PATH = "/monitoring/prometheus/metrics"
PREFIX = ":tensorflow:serving:"


def samples(text: str) -> dict:
    return {
        (
            sample.name.removeprefix(PREFIX).removesuffix("_total"),
            *sorted(sample.labels.items()),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def monitoring(tmp_path):
    def write(text):
        (tmp_path / "monitoring.config").write_text(text)
        return tmp_path / "monitoring.config"

    return write


@pytest.fixture
def get():
    def get(server, path, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=30)
        connection.request(method, path)
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response.status, response.headers["Content-Type"], body

    return get


def test_requests_of_both_protocols(root, monitoring, get):
    file = monitoring("prometheus_config { enable: true }")
    with ModelServer(root, monitoring_config_file=file) as server:
        with Client(grpc_port=server.grpc_port) as client:
            for _ in range(3):
                client.predict("hp2", {"x": np.float32([2.0])})
            for _ in range(2):
                for name in ("no", "neither"):
                    with pytest.raises(ServingError):
                        client.predict(name, {"x": np.float32([2.0])})
        with Client(rest_port=server.rest_port) as client:
            client.predict("hp2", {"x": np.float32([2.0])})
            with pytest.raises(ServingError):
                client.predict("linear", {"a": np.ones((1, 3), "f"), "b": np.ones(1, "f")})
        get(server, "/v1/models/hp2:classify", "POST")
        get(server, "/v1/models/hp2:unknown", "POST")
        status, content_type, text = get(server, PATH)
        queried = get(server, f"{PATH}?name[]=x")
        posted = get(server, PATH, "POST")
    assert status == 200
    assert content_type.startswith("text/plain")
    assert f"# TYPE {PREFIX}request_count counter" in text
    assert "_total" not in text
    assert "_created" not in text
    found = samples(text)
    hp2, api, grpc = ("model_name", "hp2"), ("API", "Predict"), ("entrypoint", "GRPC")
    # Over REST the client asks for the signature first, which counts too.
    assert found["request_count", hp2, ("status", "OK")] == 5
    # Names that clients make up share a series.
    assert found["request_count", ("model_name", "unknown"), ("status", "NOT_FOUND")] == 4
    malformed = ("request_count", ("model_name", "unknown"), ("status", "INVALID_ARGUMENT"))
    assert found[malformed] == 1
    assert found["request_count", ("model_name", "hp2"), ("status", "INVALID_ARGUMENT")] == 1
    assert found["request_count", ("model_name", "linear"), ("status", "INVALID_ARGUMENT")] == 1
    assert found["request_latency_count", api, grpc, hp2] == 3
    assert found["request_latency_count", ("API", "predict"), ("entrypoint", "REST"), hp2] == 1
    assert found["runtime_latency_count", api, hp2, ("runtime", "TF1")] == 3
    # Microseconds: a request takes more than 10 and less than a minute.
    assert 30 < found["request_latency_sum", api, grpc, hp2] < 1.8e8
    bounds = [
        float(dict(key[1:])["le"])
        for key in found
        if key[0] == "request_latency_bucket" and api in key and hp2 in key
    ]
    np.testing.assert_allclose(bounds[:-1], 10 * 1.8 ** np.arange(33))
    assert bounds[-1] == np.inf
    assert (queried[0], queried[2]) == (400, "Unexpected path")
    assert posted[0] == 200  # every method is answered


def test_batches_are_counted(root, monitoring, get, monkeypatch):
    file = monitoring('prometheus_config { enable: true path: "/metrics" }')
    with ModelServer(root, enable_batching=True, monitoring_config_file=file) as server:
        with Client(grpc_port=server.grpc_port) as client:
            for _ in range(3):
                client.predict("hp2", {"x": np.float32([2.0])})
        with Client(rest_port=server.rest_port) as client:
            client.predict("hp2", {"x": np.float32([2.0])})
            # A small request needs no thread; the signature, which is known now, needed one.
            monkeypatch.setattr(Workers, "run", None)
            answer = client.predict("hp2", {"x": np.float32([4.0])})
            monkeypatch.undo()
        np.testing.assert_array_equal(answer["y"], [4.0])
        found = samples(get(server, "/metrics")[2])
        assert get(server, PATH)[0] == 404
    assert found["batching_session:wrapped_run_count",] == 5
    pool = ("thread_pool_name", "batch_threads")
    assert found["batching_session:queuing_latency_count", pool] == 5
    bounds = [k for k in found if k[0] == "batching_session:queuing_latency_bucket"]
    assert len(bounds) == 53
    assert found["batching_session:input_batch_size_count",] == 5
    assert found["batching_session:processed_batch_size_sum",] == 5
    padding = ("batching_session:padding_size_sum", ("execution_batch_size", "1"))
    assert found[padding] == 0


def test_where_they_are_off_the_path_is_not_there(root, monitoring, get):
    file = monitoring("prometheus_config { enable: false }")
    with ModelServer(root, monitoring_config_file=file) as server:
        status, content_type, body = get(server, PATH)
    assert (status, content_type.partition(";")[0]) == (404, "text/html")
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)
