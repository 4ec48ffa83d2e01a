"""What a load test has measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

_PERCENTILES = (50, 95, 99)


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """Latencies and throughput of a load test.

    Args:
        latencies: Seconds that each request took that was answered well, [n]. With a fixed rate
            they count from when the request was due, so that a server which falls behind does not
            hide it.
        errors: Number of requests that failed, by the name of their code.
        seconds: How long the test took.
        rows: Rows of each request.

    Example:

        >>> report = LoadReport(np.array([0.001, 0.002, 0.003]), {"UNAVAILABLE": 1}, 2.0, rows=8)
        >>> report.percentile(50), report.requests_per_second, report.rows_per_second
        (0.002, 1.5, 12.0)
    """

    latencies: np.ndarray
    errors: Mapping[str, int]
    seconds: float
    rows: int

    @property
    def requests_per_second(self) -> float:
        """Requests that were answered well, per second."""
        return len(self.latencies) / self.seconds

    @property
    def rows_per_second(self) -> float:
        """Rows that were answered well, per second."""
        return self.rows * self.requests_per_second

    def percentile(self, percent: float) -> float:
        """Returns the latency that `percent` of the requests stay below, seconds; NaN of none."""
        if not len(self.latencies):
            return float("nan")
        return float(np.percentile(self.latencies, percent))

    def to_dict(self) -> dict[str, Any]:
        """Returns the figures, latencies in milliseconds, ready for JSON."""
        milliseconds = {
            f"p{percent}_ms": 1e3 * self.percentile(percent) if len(self.latencies) else None
            for percent in _PERCENTILES
        }
        return {
            "answered": len(self.latencies),
            "errors": dict(self.errors),
            "seconds": self.seconds,
            **milliseconds,
            "requests_per_second": self.requests_per_second,
            "rows_per_second": self.rows_per_second,
        }
