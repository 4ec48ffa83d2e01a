"""How the benchmarks write what they measured."""

import argparse
import os
import platform
import re
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

# What decides how trainings come out.
TRAINING = ("tensorflow", "keras", "tensorflow-probability", "numpy")


def add_measuring_options(parser: argparse.ArgumentParser, rounds: int) -> None:
    """Adds what all benchmarks take."""
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--processor-time",
        dest="clock",
        action="store_const",
        const="processor_seconds",
        default="seconds",
        help="measure processor time, for a machine with other work; fair with one thread alone",
    )


def clock_of(name: str) -> Callable[[], float]:
    """Gives the clock that `add_measuring_options` chose."""
    return time.process_time if name == "processor_seconds" else time.perf_counter


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Formats a Markdown table."""
    lines = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def machine() -> str:
    """Says what the figures were made with."""
    cpu = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    name = re.search(r"model name\s*: (.*)", cpu)
    flags = set(re.findall(r"\b(?:avx2|avx512f|avx512_bf16|amx_bf16)\b", cpu))
    parts = [f"{os.cpu_count()} cores of {name.group(1) if name else platform.machine()}"]
    parts += [f"with {', '.join(sorted(flags))}"] if flags else []
    return " ".join(parts)


def versions(*packages: str) -> str:
    """Lists versions of this environment's packages, and of Python."""
    numbers = [f"{package} {metadata.version(package)}" for package in packages]
    return ", ".join([f"Python {platform.python_version()}", *numbers])


def made_with(*packages: str) -> str:
    """Says both in a line for the end of a report."""
    return f"Made with {machine()}; {versions(*packages)}."


def verdict(value: float, reach: float | None, at_most: bool = False) -> str:
    """Says what was to be reached, and whether it was."""
    if reach is None:
        return ""
    sign, met = ("<=", value <= reach) if at_most else (">=", value >= reach)
    return f"{sign} {reach:g}" if met else f"{sign} {reach:g}, not reached"
