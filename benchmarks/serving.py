"""Measures the embedded server on an MNIST-size model and writes SERVING.md.

    python benchmarks/serving.py [--rounds 5]

One run, rounds interleaved, medians over rounds; servers and clients share the machine's cores.
"""

import argparse
import contextlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from report import made_with

from aae_tf import AAE, export, networks, priors
from aae_tf.export.batching_parameters import BatchingParameters
from aae_tf.serving import Client, run_load_test

RESULTS = Path(__file__).with_name("SERVING.md")
PACKAGES = ("tensorflow", "grpcio", "uvicorn", "numpy")
SEEDS = 10_000
CLIENTS = 32
BATCHING = BatchingParameters(
    # As many as there are clients: a batch is full when all have asked.
    max_batch_size=CLIENTS,
    batch_timeout_micros=5000,
    max_enqueued_batches=1000,
    num_batch_threads=1,
)


class Ports(NamedTuple):
    grpc_port: int
    rest_port: int


def export_model(root: Path) -> dict[str, str]:
    """Exports 784-1000-1000-8 and back, with fresh weights."""
    model = AAE(
        encoder=networks.mlp_encoder((28, 28, 1), units=(1000, 1000), seed=1),
        decoder=networks.mlp_decoder((28, 28, 1), code_dim=8, units=(1000, 1000), seed=2),
        prior=priors.gaussian(8, scale=5.0),
        seed=0,
    )
    return export.export_servables(model, root)


@contextlib.contextmanager
def serve(root: Path, *options: str) -> Iterator[Ports]:
    """Runs `aae-tf serve` in a process of its own, on free ports."""
    command = [str(Path(sys.executable).with_name("aae-tf")), "serve", str(root)]
    command += ["--grpc-port", "0", "--rest-port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stdout:
                if found := re.search(r"gRPC on \S+:(\d+), REST on \S+:(\d+)", line):
                    yield Ports(*map(int, found.groups()))
                    break
            else:
                raise RuntimeError("The server has ended without a word about its ports.")
        finally:
            process.terminate()


def median_ms(call: Callable[[], object], repeats: int) -> float:
    """Returns the median time of a call, milliseconds, after a few that do not count."""
    for _ in range(5):
        call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times))


def rows_per_second(ports: Ports, rows: int) -> float:
    """Returns the throughput of a server with many clients."""
    report = run_load_test(
        "encoder", "encode", grpc_port=ports.grpc_port, rows=rows, concurrency=CLIENTS,
        max_requests=4000, max_seconds=4.0,
    )  # fmt: skip
    if report.errors:
        raise RuntimeError(f"Expected no errors. Received: {dict(report.errors)}.")
    return report.rows_per_second


def measure(
    encoder: export.SavedModelSession,
    decoder: export.SavedModelSession,
    alone: Ports,
    batching: Ports,
) -> dict[str, float]:
    """One round of everything."""
    images = np.random.default_rng(0).random((64, 28, 28, 1), np.float32)
    one = images[:1]
    seeds = np.arange(SEEDS)
    latents = decoder.run("sample", {"seed": seeds}, outputs=["latents"])["latents"]
    with (
        Client(grpc_port=alone.grpc_port) as grpc,
        Client(rest_port=alone.rest_port) as rest,
    ):
        figures = {
            "bare 1": median_ms(lambda: encoder.run("encode", {"inputs": one}), 300),
            "grpc 1": median_ms(lambda: grpc.encode(one), 300),
            "rest 1": median_ms(lambda: rest.encode(one), 300),
        }
    figures["bare 64"] = median_ms(lambda: encoder.run("encode", {"inputs": images}), 100)
    # Running `sample` for its latents alone runs the decoder as well: it is one function.
    figures["sample"] = median_ms(lambda: decoder.run("sample", {"seed": seeds}), 5)
    figures["decode"] = median_ms(lambda: decoder.run("decode", {"latents": latents}), 5)
    for name, ports in (("alone", alone), ("batching", batching)):
        for rows in (1, 16):
            figures[f"{name} {rows}"] = rows_per_second(ports, rows)
    return figures


def main() -> None:
    """Runs everything and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        paths = export_model(root / "models")
        encoder, decoder = (
            stack.enter_context(export.SavedModelSession(paths[name]))
            for name in ("encoder", "decoder")
        )
        (root / "batching.config").write_text(BATCHING.to_text())
        batching = [
            "--enable-batching",
            "--batching-parameters-file",
            str(root / "batching.config"),
        ]
        alone = stack.enter_context(serve(root / "models"))
        batched = stack.enter_context(serve(root / "models", *batching))
        found = [measure(encoder, decoder, alone, batched) for _ in range(rounds)]

    def median(value: Callable[[dict[str, float]], float]) -> float:
        return float(np.median([value(figures) for figures in found]))

    rows = [
        ("gRPC encode, batch 1, one client: p50 over the bare session run", "<= 1.5 ms more",
         f"{median(lambda f: f['grpc 1'] - f['bare 1']):.2f} ms more "
         f"({median(lambda f: f['grpc 1']):.2f} and {median(lambda f: f['bare 1']):.2f})"),
        ("REST encode, batch 1: p50 over gRPC's", "<= 2 ms more",
         f"{median(lambda f: f['rest 1'] - f['grpc 1']):.2f} ms more"),
        (f"{CLIENTS} clients, batch 1 each: throughput with batching over that without",
         ">= 3 times",
         f"{median(lambda f: f['batching 1'] / f['alone 1']):.2f} times "
         f"({median(lambda f: f['batching 1']):.0f} and {median(lambda f: f['alone 1']):.0f} "
         "requests/s)"),
        (f"{CLIENTS} clients, batch 1 each: throughput with batching over bare runs of 64",
         ">= 50%",
         f"{median(lambda f: f['batching 1'] * f['bare 64'] / 64e3):.0%} of "
         f"{median(lambda f: 64e3 / f['bare 64']):.0f} rows/s"),
        (f"{CLIENTS} clients, batch 16 each: the same", "",
         f"{median(lambda f: f['batching 16'] * f['bare 64'] / 64e3):.0%}; without batching "
         f"{median(lambda f: f['alone 16'] * f['bare 64'] / 64e3):.0%}"),
        (f"{SEEDS:,} seeds: `sample` over `decode` of its latents", "<= 15% more",
         f"{median(lambda f: f['sample'] / f['decode'] - 1.0):.1%} more"),
    ]  # fmt: skip
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    RESULTS.write_text(
        f"""# The embedded server

Written by `python benchmarks/serving.py --rounds {rounds}`. Encoder 784-1000-1000-8 and its
decoder, float32; `aae-tf serve` in processes of their own, clients in another; {rounds} rounds,
interleaved, medians. Batches of up to {BATCHING.max_batch_size} rows, one batch thread, at most
{BATCHING.batch_timeout_micros / 1000:g} ms of waiting for company.

| measured | reach | found |
|---|---|---|
{chr(10).join(lines)}

Servers and clients share the machine. Absolute figures are those of one noisy machine.

{made_with(*PACKAGES)}
"""
    )
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
