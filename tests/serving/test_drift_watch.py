"""Windows of served codes: what is tested, when, and what the metrics show."""

import json
import threading
import urllib.request

import numpy as np
import pytest

from aae_tf import AAE, AnomalyDetector, networks, priors
from aae_tf.detector import DriftMonitor
from aae_tf.serving import Client, ModelServer, drift_watch
from aae_tf.serving.drift_watch import DriftWatch, watch_drift
from tests.models import small

CODES = np.random.default_rng(0).standard_normal((300, 2)).astype(np.float32)


class Echo:
    """Answers the latents that it is given."""

    closed = False

    def run(self, signature_name, inputs, outputs=None, timeout=None):
        return {"latents": inputs["inputs"]} if signature_name != "classify" else {}

    def close(self):
        self.closed = True


@pytest.fixture
def monitor():
    return DriftMonitor(priors.gaussian(2)).fit(CODES)


def test_windows_are_of_finite_codes_and_one_is_tested_at_a_time(monitor, monkeypatch):
    monkeypatch.setattr(drift_watch, "WINDOW", 100)
    results, told, go = [], threading.Semaphore(0), threading.Semaphore(0)

    def report(result):
        results.append(result)
        told.release()
        go.acquire()

    runner = Echo()
    watch = DriftWatch(runner, monitor, report)
    holed = CODES[:100].copy()
    holed[7] = np.nan
    for rows in (holed[:60], holed[60:]):
        answer = watch.run("encode", {"inputs": rows})
        np.testing.assert_array_equal(answer["latents"], rows)
    # Neither are codes of clients' inputs.
    watch.run("sample", {"inputs": CODES})
    watch.run("classify", {"inputs": CODES})
    assert told.acquire(timeout=60)
    # While a window is tested, others are not looked at.
    watch.run("encode", {"inputs": CODES})
    go.release(2)
    watch._pool.submit(lambda: None).result(60)
    watch.run("serving_default", {"inputs": CODES[100:200] + 2.0})
    assert told.acquire(timeout=60)
    watch.close()
    assert runner.closed
    expected = [monitor.test(np.delete(CODES[:100], 7, 0)), monitor.test(CODES[100:200] + 2.0)]
    assert [result.is_drift for result in results] == [False, True]
    np.testing.assert_allclose([r.statistic for r in results], [r.statistic for r in expected])


def test_a_window_that_cannot_be_tested_is_logged(monitor, monkeypatch, caplog):
    monkeypatch.setattr(drift_watch, "WINDOW", 40)
    watch = DriftWatch(Echo(), monitor, None)
    watch.run("encode", {"inputs": CODES[:40]})
    watch.close()
    assert "not tested for drift: Expected `codes` to have at least 50" in caplog.text


def test_exports_without_a_monitor_are_not_watched(tmp_path, caplog):
    runner = Echo()
    assert watch_drift("a", runner, tmp_path, None) is runner
    card = tmp_path / "MODEL_CARD.json"
    card.write_text(json.dumps({"sha256": {}}))
    assert watch_drift("a", runner, tmp_path, None) is runner
    assert not caplog.text
    card.write_text(json.dumps({"sha256": {}, "drift": {"prior": "none"}}))
    assert watch_drift("a", runner, tmp_path, None) is runner
    assert "not watched for drift" in caplog.text


@pytest.mark.integration
def test_metrics_show_the_last_window(tmp_path, monkeypatch):
    monkeypatch.setattr(drift_watch, "WINDOW", 100)
    rows = np.random.default_rng(1).standard_normal((400, 4)).astype(np.float32)
    decoder = networks.mlp_decoder((4,), 2, (8,), output_activation="linear", seed=2)
    model = small.build(AAE, prior=priors.gaussian(2), divergence="mmd", decoder=decoder)
    detector = AnomalyDetector(model, false_alarm_rate=0.1).calibrate(rows)
    detector.export(tmp_path / "served" / "autoencoder" / "1", verify=False)
    config = tmp_path / "monitoring.config"
    config.write_text("prometheus_config { enable: true }")
    with ModelServer(tmp_path / "served", monitoring_config_file=config) as server:
        with Client(grpc_port=server.grpc_port, encoder="autoencoder") as client:
            client.encode(rows[:99])
            client.encode(rows[99:120] + 50.0)
        for _ in range(600):
            url = f"http://localhost:{server.rest_port}/monitoring/prometheus/metrics"
            with urllib.request.urlopen(url) as response:
                lines = dict(line.rsplit(" ", 1) for line in response.read().decode().splitlines())
            found = {
                name.removeprefix(":aae_tf:serving:drift_").removesuffix(
                    '{model_name="autoencoder"}'
                ): float(value)
                for name, value in lines.items()
                if name.startswith(":aae_tf")
            }
            if found:
                break
            threading.Event().wait(0.1)
    result = detector.drift_monitor_.test(
        model.encode(np.concatenate([rows[:99], rows[99:120] + 50.0]))
    )
    assert found["windows"] == 1 and found["alarms"] == result.is_drift
    assert found["mmd_squared"] == pytest.approx(result.statistic, rel=1e-3)
