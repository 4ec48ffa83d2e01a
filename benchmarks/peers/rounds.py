"""What the workers of a comparison share: the problem, the clock, their side of the pipe.

A worker is a process that has built and warmed a training. It says so in a line of JSON, and then
makes a round of steps for each line that it reads. One worker is asked at a time. Imports NumPy
alone, since workers live in two environments.
"""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

CODE_DIM = 8
PIXELS = 784
WIDTH = 1000
PRIOR_SCALE = 5.0
LEARNING_RATE = 1e-3
# Keras' default, beside which torch's 1e-8 is another optimizer.
EPSILON = 1e-7


def parser(description: str) -> argparse.ArgumentParser:
    """Returns a parser of what all workers take."""
    result = argparse.ArgumentParser(description=description.split("\n")[0])
    result.add_argument("--schedule", default="alternating", choices=("alternating", "joint"))
    result.add_argument("--batch", type=int, default=100)
    result.add_argument("--steps", type=int, default=50, help="updates of a round")
    result.add_argument("--threads", type=int, default=2)
    result.add_argument("--clock", default="seconds", choices=("seconds", "processor_seconds"))
    result.add_argument("--bfloat16", action="store_true")
    result.add_argument("--weights", type=Path, help="initial weights, to compare losses")
    return result


def images(count: int) -> np.ndarray:
    """Makes float32 [count, 784] in [0, 1] that eight numbers describe, alike in every worker."""
    random = np.random.default_rng(0)
    directions = random.normal(size=(CODE_DIM, PIXELS))
    codes = random.normal(size=(count, CODE_DIM))
    return (1.0 / (1.0 + np.exp(-codes @ directions))).astype("float32")


def answer(ways: Mapping[str, Callable[[], Mapping[str, float]]], **facts: object) -> None:
    """Runs each way once, tells what came of it, then answers each line that names a way.

    Args:
        ways: makes a round, waits until all of it is done, and returns what it measured.
        **facts: what the first line tells of the worker.
    """
    # What libraries print is no answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    first = {name: run() for name, run in ways.items()}
    print(json.dumps({**facts, "first": first}), file=answers, flush=True)
    for line in sys.stdin:
        start, processor_start = time.perf_counter(), time.process_time()
        measured = ways[line.strip()]()
        figures = {
            "seconds": time.perf_counter() - start,
            "processor_seconds": time.process_time() - processor_start,
            "peak_bytes": peak_bytes(),
        }
        print(json.dumps({**measured, **figures}), file=answers, flush=True)


def peak_bytes() -> int:
    """Gives the most memory that this process has held."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
