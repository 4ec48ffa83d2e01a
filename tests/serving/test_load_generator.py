"""A load on a real server, and what the figures mean."""

import json
import threading
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from aae_tf.cli import app
from aae_tf.serving import LoadReport, ModelServer, ServingError, run_load_test
from aae_tf.serving.models.predict import run_signature


@pytest.fixture
def ports(aae_server):
    return {"grpc_port": aae_server.grpc_port, "rest_port": aae_server.rest_port}


@pytest.fixture
def runs(monkeypatch):
    """Every run of a signature by the server: its inputs."""
    runs, lock = [], threading.Lock()

    def record(servable, name, inputs, *arguments, **keywords):
        with lock:
            runs.append((name, inputs))
        return run_signature(servable, name, inputs, *arguments, **keywords)

    monkeypatch.setattr("aae_tf.serving.grpc.grpc_services.run_signature", record)
    monkeypatch.setattr("aae_tf.serving.rest.rest_front.run_signature", record)
    return runs


@pytest.mark.integration
@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_closed_loop(ports, runs, protocol):
    report = run_load_test(
        "encoder", "encode", **ports, protocol=protocol, rows=3, concurrency=4, max_requests=50
    )
    assert len(report.latencies) == 50
    assert report.errors == {}
    assert len(runs) == 50 + 8  # the warm-up is not in the figures
    images = np.array([inputs["inputs"] for _, inputs in runs])
    assert images.shape == (58, 3, 2, 2)
    assert images.min() >= 0
    assert images.max() < 1
    assert len(np.unique(images[:, 0, 0, 0])) == 16
    assert 0 < report.latencies.max() < report.seconds


@pytest.mark.integration
def test_inputs_follow_the_seed_and_the_signature(ports, runs):
    for seed in (1, 1, 2):
        run_load_test("decoder", "sample", **ports, concurrency=1, max_requests=1, seed=seed)
    # The last request of each test comes after eight that warm up.
    first, again, other = (runs[9 * k + 8][1] for k in range(3))
    np.testing.assert_array_equal(first["seed"], again["seed"])
    assert first["seed"] != other["seed"]
    assert first["seed"].dtype == np.int64
    assert first["label"].tolist() == [-1]


@pytest.mark.integration
@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_failures_are_counted_by_code(ports, monkeypatch, protocol):
    def refuse(*arguments, **keywords):
        import grpc

        raise ServingError(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")

    for module in ("grpc.grpc_services", "rest.rest_front"):
        monkeypatch.setattr(f"aae_tf.serving.{module}.run_signature", refuse)
    report = run_load_test("encoder", **ports, protocol=protocol, concurrency=2, max_requests=7)
    assert report.errors == {"RESOURCE_EXHAUSTED": 7}
    assert report.to_dict()["p50_ms"] is None
    assert np.isnan(report.percentile(50))


@pytest.mark.integration
@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_timeouts(ports, monkeypatch, protocol):
    over = threading.Event()

    def respond_late(*arguments, **keywords):
        over.wait(60.0)
        return {}

    for module in ("grpc.grpc_services", "rest.rest_front"):
        monkeypatch.setattr(f"aae_tf.serving.{module}.run_signature", respond_late)
    monkeypatch.setattr("aae_tf.serving.load_generator._WARM_UP", 0)
    try:  # the request for the signatures, which must succeed, has the same timeout
        report = run_load_test(
            "encoder", **ports, protocol=protocol, concurrency=1, max_requests=1, timeout=3.0
        )
    finally:
        over.set()
    assert report.errors == {"DEADLINE_EXCEEDED": 1}


@pytest.mark.integration
def test_time_bounds_a_closed_loop(ports):
    report = run_load_test("encoder", **ports, concurrency=2, max_seconds=0.2)
    assert 0.2 <= report.seconds < 60.0
    assert 0 < len(report.latencies) < 10_000


@pytest.mark.integration
def test_an_open_loop_keeps_its_rate(ports):
    report = run_load_test("encoder", **ports, rate=200.0, max_requests=100)
    # The time of 100 exponential gaps of 5 ms: 0.5 s, deviation 0.05 s.
    assert 0.3 < report.seconds < 60.0
    assert len(report.latencies) == 100


@pytest.mark.integration
def test_an_open_loop_counts_from_when_a_request_was_due(ports, monkeypatch):
    def slow(*arguments, **keywords):
        time.sleep(0.02)
        return {}

    monkeypatch.setattr("aae_tf.serving.grpc.grpc_services.run_signature", slow)
    monkeypatch.setattr("aae_tf.serving.load_generator._WARM_UP", 0)
    report = run_load_test("encoder", **ports, rate=1e4, concurrency=1, max_requests=20)
    # All are due at once and run one after the other: the last waits for the 19 before it.
    assert report.latencies.max() > 19 * 0.02
    # Each waits longer than the one before by a run, less the gap, of 0.1 ms in the mean.
    assert np.diff(np.sort(report.latencies)).min() > 0.02 - 0.002


def test_report_against_numpy():
    latencies = np.random.default_rng(0).random(1000)
    report = LoadReport(latencies, {"UNAVAILABLE": 2}, seconds=4.0, rows=8)
    figures = report.to_dict()
    for percent in (50, 95, 99):
        assert figures[f"p{percent}_ms"] == pytest.approx(1e3 * np.percentile(latencies, percent))
    assert (figures["requests_per_second"], figures["rows_per_second"]) == (250.0, 2000.0)
    assert figures["errors"] == {"UNAVAILABLE": 2}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"host": "10.0.0.1"}, ValueError, r"`host` to be a loopback address\. .*host='10\.0\.0"),
        ({"host": "example.org"}, ValueError, "`host` to be a loopback address"),
        ({"protocol": "http"}, ValueError, r"`protocol` to be 'grpc' or 'rest'\. .*'http'"),
        ({"protocol": "rest", "rest_port": None}, ValueError, "`rest_port` with protocol 'rest'"),
        ({"rows": 0}, ValueError, "`rows` to be at least 1"),
        ({"concurrency": 0}, ValueError, "`concurrency` to be at least 1"),
        ({"max_requests": 1.5}, TypeError, "`max_requests` to be an integer"),
        ({"rate": 0.0}, ValueError, r"`rate` to be above 0 and finite\. Received: rate=0\.0"),
        ({"max_seconds": float("inf")}, ValueError, "`max_seconds` to be above 0 and finite"),
        ({"timeout": -1.0}, ValueError, "`timeout` to be above 0 and finite"),
        ({"signature_name": "no"}, ServingError, r"`signature_name` to be one of \['encode', "),
        ({"model": "no"}, ServingError, "NOT_FOUND: Servable not found"),
    ],
)
def test_refuses(ports, arguments, error, message):
    with pytest.raises(error, match=message):
        run_load_test(**{"model": "encoder", **ports, **arguments})


def test_no_server(unused_port=1):
    with pytest.raises(ServingError, match="UNAVAILABLE"):
        run_load_test("encoder", grpc_port=unused_port, timeout=5.0)


@pytest.mark.integration
def test_strings_cannot_be_drawn(root):
    with (
        ModelServer(root, file_system_poll_wait_seconds=0) as server,
        pytest.raises(ServingError, match="Expected numbers as inputs"),
    ):
        run_load_test("kinds", "string", grpc_port=server.grpc_port)


@pytest.mark.integration
def test_command(ports):
    options = ["--grpc-port", str(ports["grpc_port"]), "--rest-port", str(ports["rest_port"])]
    run = ["loadtest", "encoder", *options, "--max-requests", "20", "--concurrency", "2"]
    table = CliRunner().invoke(app, run)
    assert table.exit_code == 0
    assert "requests per second" in table.stdout
    figures = json.loads(CliRunner().invoke(app, [*run, "--json", "--rate", "500"]).stdout)
    assert figures["answered"] == 20
    assert figures["p99_ms"] >= figures["p50_ms"] > 0
    failing = CliRunner().invoke(app, ["loadtest", "encoder", "--host", "192.168.0.1"])
    assert failing.exit_code == 2
