"""Measures what a user waits for before anything runs: imports, help, a server that is ready.

    python benchmarks/waits.py --model ROOT [--other CHECKOUT] [--rounds 3]

Every wait is a new process. With another checkout both take turns. Processor time is the one that
other work on the machine changes little. Prints Markdown.
"""

import argparse
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from report import table

_CHECKOUT = Path(__file__).resolve().parents[1]
_MAIN = "import sys; from aae_tf.cli import main; sys.argv[0] = 'aae-tf'; main()"


def _waits(model: Path) -> dict[str, list[str]]:
    return {
        "import tensorflow": ["-c", "import tensorflow"],
        "import aae_tf": ["-c", "import aae_tf"],
        "aae-tf --help": ["-c", _MAIN, "--help"],
        "import aae_tf.serving": ["-c", "from aae_tf.serving import ModelServer"],
        "aae-tf serve, until it is ready": ["-c", _MAIN, "serve", str(model)],
    }


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _measure(checkout: Path, arguments: list[str]) -> tuple[float, float]:
    """Runs a process until it ends or says that it serves; returns wall and processor seconds."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    serves = "serve" in arguments
    ports = ["--grpc-port", "0", "--rest-port", "0"] if serves else []
    wall, processor = time.perf_counter(), _processor_seconds()
    process = subprocess.Popen(
        [sys.executable, *arguments, *ports],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
        cwd=checkout,
    )
    seconds = None
    for line in process.stdout:
        if serves and line.startswith("Stop with"):
            seconds = time.perf_counter() - wall
            # At once, for what a stop takes is no wait of this table.
            process.send_signal(signal.SIGKILL)
    code = process.wait()
    if code not in (0, -signal.SIGKILL) or (serves and seconds is None):
        raise RuntimeError(f"Expected {arguments} to succeed. Received: exit code {code}.")
    if seconds is None:
        seconds = time.perf_counter() - wall
    return seconds, _processor_seconds() - processor


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="root of an export, to serve")
    parser.add_argument("--other", type=Path, help="another checkout, to compare with")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    checkouts = {"this checkout": _CHECKOUT}
    if arguments.other is not None:
        checkouts = {"the other": arguments.other.resolve(), **checkouts}
    times: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(arguments.rounds):
        for wait, command in _waits(arguments.model.resolve()).items():
            for name, checkout in checkouts.items():
                times.setdefault((wait, name), []).append(_measure(checkout, command))
    rows = []
    for wait in _waits(arguments.model):
        medians = [np.median(times[wait, name], axis=0) for name in checkouts]
        rows.append((wait, *(f"{wall:.1f}; {processor:.1f}" for wall, processor in medians)))
    titles = [f"{name}, s: wall; processor" for name in checkouts]
    print(table(("median of new processes", *titles), rows))


if __name__ == "__main__":
    main()
