"""The server's metrics, under the real server's names."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from aae_tf.serving.batching import BatchReport
from aae_tf.serving.errors import ServingError

if TYPE_CHECKING:
    from aae_tf.detector import DriftResult

CONTENT_TYPE = "text/plain"
_PREFIX = ":tensorflow:serving:"
_OWN_PREFIX = ":aae_tf:serving:"
# Requests for models that do not exist share a name: clients choose names, and each new one would
# be a time series for ever.
_UNKNOWN_MODEL = "unknown"
_LATENCY_BUCKETS = [10 * 1.8**k for k in range(33)]
_QUEUING_BUCKETS = [100 * 1.2**k for k in range(52)]
_ROW_BUCKETS = [2**k for k in range(14)]
_COUNTER_HEADER = re.compile(r"^(# (?:HELP|TYPE) \S+)_total ", re.MULTILINE)


class ServerMetrics:
    """Counts and times what a server does.

    `:tensorflow:serving:request_count{model_name,status}` counts requests to run a model, and all
    others over REST;
    `request_latency{model_name,API,entrypoint}` and `runtime_latency{model_name,API,runtime}` are
    histograms of those that succeed, in microseconds. Of batching are
    `batching_session:queuing_latency{thread_pool_name}`, microseconds,
    `batching_session:wrapped_run_count`, and, in rows, the histograms
    `batching_session:padding_size`, `input_batch_size` and `processed_batch_size`.

    Of exports of an `AnomalyDetector` there are, which the real server does not have,
    `:aae_tf:serving:drift_p_value{model_name}` and `drift_mmd_squared` of the last window of codes,
    and the counters `drift_windows` and `drift_alarms`, see `DriftWatch`.

    Args:
        is_model: Tells whether there is a model of a name.

    Example:

        >>> metrics = ServerMetrics(lambda name: name == "encoder")
        >>> with metrics.request("encoder", "Predict", "GRPC"):
        ...     pass
        >>> print(metrics.render().decode().splitlines()[2])
        :tensorflow:serving:request_count{model_name="encoder",status="OK"} 1.0
    """

    def __init__(self, is_model: Callable[[str], bool]) -> None:
        self._is_model = is_model
        self._series_by_labels: dict[tuple[Any, tuple[str, ...]], Any] = {}
        self._registry = CollectorRegistry()
        registry = CollectorRegistry()
        self._registry.register(_ServerNamesCollector(registry))
        self._requests = Counter(
            f"{_PREFIX}request_count",
            "The total number of requests.",
            ["model_name", "status"],
            registry=registry,
        )
        self._latency = Histogram(
            f"{_PREFIX}request_latency",
            "Wall time of requests, microseconds.",
            ["model_name", "API", "entrypoint"],
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self._runtime = Histogram(
            f"{_PREFIX}runtime_latency",
            "Wall time in the TensorFlow runtime, microseconds.",
            ["model_name", "API", "runtime"],
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self._queuing = Histogram(
            f"{_PREFIX}batching_session:queuing_latency",
            "Wall time in queues, microseconds.",
            ["thread_pool_name"],
            buckets=_QUEUING_BUCKETS,
            registry=registry,
        )
        self._runs = Counter(
            f"{_PREFIX}batching_session:wrapped_run_count",
            "Runs of the session below batching.",
            registry=registry,
        )
        self._padding, self._input_rows, self._processed_rows = (
            Histogram(
                f"{_PREFIX}batching_session:{name}",
                f"{text}, rows.",
                labels,
                buckets=_ROW_BUCKETS,
                registry=registry,
            )
            for name, text, labels in (
                ("padding_size", "Padding of batches", ["execution_batch_size"]),
                ("input_batch_size", "Sizes of requests", []),
                ("processed_batch_size", "Sizes of batches with their padding", []),
            )
        )

        self._drift = [
            kind(f"{_OWN_PREFIX}drift_{name}", text, ["model_name"], registry=registry)
            for kind, name, text in (
                (Gauge, "p_value", "Probability of a window of codes without drift."),
                (Gauge, "mmd_squared", "Squared distance of a window of codes to the prior."),
                (Counter, "windows", "Windows of codes that were tested."),
                (Counter, "alarms", "Windows of codes that have drifted."),
            )
        ]

    @contextmanager
    def request(self, model: str, api: str, entrypoint: Literal["GRPC", "REST"]) -> Iterator[None]:
        """Counts what happens in the block as one request, and times it where it succeeds.

        Args:
            model: Name of the model, as the client has it.
            api: "Predict" for gRPC; for REST the verb, such as "predict" or "status".
            entrypoint: The protocol.
        """
        start = time.perf_counter()
        status = "UNKNOWN"
        try:
            yield
            status = "OK"
        except ServingError as error:
            status = error.code.name
            raise
        except asyncio.CancelledError:  # the client has gone, or its deadline has passed
            status = "CANCELLED"
            raise
        finally:
            name = model if self._is_model(model) else _UNKNOWN_MODEL
            self._series(self._requests, name, status).inc()
            if status == "OK":
                series = self._series(self._latency, name, api, entrypoint)
                series.observe(_micros_since(start))

    def refused(self, error: ServingError) -> None:
        """Counts a request whose address names no model."""
        self._series(self._requests, _UNKNOWN_MODEL, error.code.name).inc()

    @contextmanager
    def runtime(self, model: str, api: str) -> Iterator[None]:
        """Times the block as time in the runtime, where it succeeds."""
        start = time.perf_counter()
        yield
        self._series(self._runtime, model, api, "TF1").observe(_micros_since(start))

    def batch(self, thread_pool: str, report: BatchReport) -> None:
        """Counts a batch that ran, and times how long each of its requests waited for it."""
        self._runs.inc()
        queuing = self._series(self._queuing, thread_pool)
        for seconds in report.waits:
            queuing.observe(1e6 * seconds)
        for rows in report.request_rows:
            self._input_rows.observe(rows)
        processed = report.processed_rows
        self._processed_rows.observe(processed)
        self._series(self._padding, str(processed)).observe(report.padding)

    def drift(self, model: str, result: DriftResult) -> None:
        """Shows the test of a window of codes of a model."""
        p_value, mmd_squared, windows, alarms = (self._series(each, model) for each in self._drift)
        p_value.set(result.p_value)
        mmd_squared.set(result.statistic)
        windows.inc()
        alarms.inc(result.is_drift)

    def _series(self, metric: Any, *labels: str) -> Any:
        """Returns the series of a metric for labels, of which there are few."""
        key = (metric, labels)
        series = self._series_by_labels.get(key)
        if series is None:
            series = self._series_by_labels[key] = metric.labels(*labels)
        return series

    def render(self) -> bytes:
        """Returns everything in Prometheus' text format."""
        # The library writes OpenMetrics, where counters end in _total; the real server's do not.
        return _COUNTER_HEADER.sub(r"\1 ", generate_latest(self._registry).decode()).encode()


class _ServerNamesCollector(Collector):
    """Collects under the real server's names: no `_total`, and no times of creation."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        for metric in self._registry.collect():
            metric.samples = [
                sample._replace(name=sample.name.removesuffix("_total"))
                for sample in metric.samples
                if not sample.name.endswith("_created")
            ]
            yield metric


def _micros_since(start: float) -> float:
    return 1e6 * (time.perf_counter() - start)
