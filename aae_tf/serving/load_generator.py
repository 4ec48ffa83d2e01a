"""A load generator: many requests at once to a server, and what was measured."""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import grpc
import numpy as np

from aae_tf.checks import check_integer
from aae_tf.serving.client.grpc_transport import address, methods
from aae_tf.serving.client.protocol import (
    GetModelMetadataRequest,
    SignatureDefMap,
    dtype_name,
    numpy_dtype,
)
from aae_tf.serving.errors import ServingError, invalid_argument
from aae_tf.serving.load_senders import GrpcSender, RestSender, Sender

# Requests differ, so that no cache of a processor or a server answers them.
_NUM_BODIES = 16
_WARM_UP = 8
_PERCENTILES = (50, 95, 99)


def run_load_test(
    model: str,
    signature_name: str = "serving_default",
    *,
    grpc_port: int,
    rest_port: int | None = None,
    protocol: Literal["grpc", "rest"] = "grpc",
    host: str = "127.0.0.1",
    rows: int = 1,
    concurrency: int = 32,
    rate: float | None = None,
    max_requests: int = 10_000,
    max_seconds: float = 10.0,
    timeout: float = 30.0,
    seed: int = 0,
) -> LoadReport:
    """Sends random requests to a server of this machine, and measures latency and throughput.

    Without `rate` the loop is closed: `concurrency` clients each send when they have their
    answer, which shows the throughput a server can reach. With it the loop is open: requests are
    due at random times, as if from many users who do not wait for each other, which shows the
    latency that they would see.

    Args:
        model: Name of the model.
        signature_name: Its signature; inputs are drawn to fit it, images in [0, 1).
        grpc_port: The server's gRPC port, which also tells what the signature takes.
        rest_port: The server's REST port, for protocol "rest".
        protocol: What the requests go over.
        host: The server's address; one of this machine, since a load test elsewhere is an attack.
        rows: Rows of each request, >= 1.
        concurrency: Requests that may be under way, >= 1.
        rate: Requests due per second, > 0, with exponential gaps. Defaults to None.
        max_requests: Requests to send at most, >= 1.
        max_seconds: Seconds after which no request is sent any more, > 0.
        timeout: Seconds that a request may take.
        seed: Of inputs and gaps.

    Returns:
        Latencies, errors and throughput.

    Raises:
        TypeError, ValueError: an argument is out of its range, or `host` is not this machine.
        ServingError: the server does not answer, or there is no such model or signature.

    References:
        Schroeder, Wierman and Harchol-Balter, "Open versus closed: a cautionary tale", NSDI 2006.
    """
    _check(host, protocol, rest_port, rate, max_seconds, timeout)
    check_integer("rows", rows, minimum=1)
    check_integer("concurrency", concurrency, minimum=1)
    check_integer("max_requests", max_requests, minimum=1)
    generator = np.random.default_rng(seed)
    target = address(host, grpc_port)
    signature = _signature(target, model, signature_name, timeout)
    bodies = [_draw(signature, rows, generator) for _ in range(_NUM_BODIES)]
    gaps = None if rate is None else _gaps(rate, generator)

    async def test() -> LoadReport:
        if protocol == "rest" and rest_port is not None:
            sender: Sender = RestSender(
                host, rest_port, model, signature_name, bodies, timeout, concurrency
            )
        else:
            sender = GrpcSender(target, model, signature_name, bodies, timeout)
        try:
            for _ in range(_WARM_UP):
                await sender.send()
            run = _Run(sender, max_requests, max_seconds)
            if gaps is None:
                await run.closed(concurrency)
            else:
                await run.open(gaps, concurrency)
            return LoadReport(
                np.array(run.latencies), run.errors, time.perf_counter() - run.start, rows
            )
        finally:
            await sender.close()

    return asyncio.run(test())


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


class _Run:
    """The run of a load test: sends until there were enough requests, or until its time is over."""

    def __init__(self, sender: Sender, max_requests: int, max_seconds: float) -> None:
        self._sender = sender
        self._left = max_requests
        self.latencies: list[float] = []
        self.errors: Counter[str] = Counter()
        self.start = time.perf_counter()
        self._end = self.start + max_seconds

    async def closed(self, concurrency: int) -> None:
        async def client() -> None:
            while self._goes_on():
                await self._send(time.perf_counter())

        await asyncio.gather(*(client() for _ in range(concurrency)))

    async def open(self, gaps: Iterator[float], concurrency: int) -> None:
        free = asyncio.Semaphore(concurrency)
        under_way: set[asyncio.Task[None]] = set()

        async def send(due: float) -> None:
            try:
                await self._send(due)
            finally:
                free.release()

        due = self.start
        while True:
            due += next(gaps)
            await asyncio.sleep(max(0.0, min(due, self._end) - time.perf_counter()))
            await free.acquire()
            if not self._goes_on():
                break
            task = asyncio.create_task(send(due))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)

    def _goes_on(self) -> bool:
        self._left -= 1
        return self._left >= 0 and time.perf_counter() < self._end

    async def _send(self, due: float) -> None:
        code = await self._sender.send()
        if code == "OK":
            self.latencies.append(time.perf_counter() - due)
        else:
            self.errors[code] += 1


def _check(
    host: str,
    protocol: str,
    rest_port: int | None,
    rate: float | None,
    max_seconds: float,
    timeout: float,
) -> None:
    try:
        is_here = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_here = False
    if not is_here:
        raise ValueError(f"Expected `host` to be a loopback address. Received: host={host!r}.")
    if protocol not in ("grpc", "rest"):
        raise ValueError(
            f"Expected `protocol` to be 'grpc' or 'rest'. Received: protocol={protocol!r}."
        )
    if protocol == "rest" and rest_port is None:
        raise ValueError("Expected `rest_port` with protocol 'rest'. Received: rest_port=None.")
    limits = {"rate": rate, "max_seconds": max_seconds, "timeout": timeout}
    for argument, limit in limits.items():
        if limit is not None and not 0 < limit < float("inf"):
            raise ValueError(
                f"Expected `{argument}` to be above 0 and finite. Received: {argument}={limit}."
            )


def _gaps(rate: float, generator: np.random.Generator) -> Iterator[float]:
    while True:
        yield from generator.exponential(1.0 / rate, 1024)


def _signature(target: str, model: str, signature_name: str, timeout: float) -> Any:
    request = GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = model
    with grpc.insecure_channel(target) as channel:
        try:
            answer = methods(channel)["GetModelMetadata"](request, timeout=timeout)
        except grpc.RpcError as error:
            raise ServingError(error.code(), error.details()) from error
    signatures = SignatureDefMap.FromString(answer.metadata["signature_def"].value)
    if signature_name not in signatures.signature_def:
        known = sorted(name for name in signatures.signature_def if not name.startswith("__"))
        raise invalid_argument(
            f"Expected `signature_name` to be one of {known}. "
            f"Received: signature_name={signature_name!r}."
        )
    return signatures.signature_def[signature_name]


def _draw(signature: Any, rows: int, generator: np.random.Generator) -> Mapping[str, np.ndarray]:
    return {name: _tensor(name, info, rows, generator) for name, info in signature.inputs.items()}


def _tensor(name: str, info: Any, rows: int, generator: np.random.Generator) -> np.ndarray:
    # Unknown sizes after the first count as 1.
    shape = [rows, *(max(dim.size, 1) for dim in info.tensor_shape.dim[1:])]
    kind = dtype_name(info.dtype)
    if kind in ("float16", "bfloat16", "float32", "float64"):
        return generator.random(shape).astype(numpy_dtype(kind))
    if name == "label":  # -1 asks the model to draw a label, whatever its classes
        return np.full(shape, -1, numpy_dtype(kind))
    if kind.startswith(("int", "uint")):
        dtype = numpy_dtype(kind)
        return generator.integers(0, np.iinfo(dtype).max, shape, dtype)
    raise invalid_argument(f"Expected numbers as inputs. Received: input {name!r} of {kind}.")
