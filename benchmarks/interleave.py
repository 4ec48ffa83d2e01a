"""Rounds of several workers in turn, so that each meets the same machine."""

import contextlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from worker_process import WorkerProcess


class Measured(NamedTuple):
    """What the rounds of some workers gave.

    Attributes:
        facts: what each worker told of itself, by its name.
        rounds: what each round measured, by the name of the worker, or by "name, way" where it
            was asked for several ways.
        clock: which time counts, "seconds" or "processor_seconds".
    """

    facts: dict[str, dict[str, Any]]
    rounds: dict[str, list[dict[str, Any]]]
    clock: str

    def values(self, name: str, key: str | None = None) -> np.ndarray:
        """Gives one quantity of all rounds, by default the time."""
        return np.array([measured[key or self.clock] for measured in self.rounds[name]])

    def median(self, name: str, key: str | None = None) -> float:
        """Gives its median."""
        return float(np.median(self.values(name, key)))

    def ratio(self, slow: str, fast: str) -> float:
        """Gives the median over rounds of the ratio of two times."""
        return float(np.median(self.values(slow) / self.values(fast)))


def interleave(
    commands: Mapping[str, Sequence[str]],
    rounds: int,
    ways: Mapping[str, Sequence[str]] | None = None,
    clock: str = "seconds",
) -> Measured:
    """Starts workers, and asks each for each of its ways once a round, in an order that turns.

    Args:
        commands: those of `WorkerProcess`, by the name of the worker.
        rounds: how many.
        ways: what each worker is asked for; "epoch" where nothing is said.
        clock: see `Measured`.
    """
    log = Path(tempfile.mkdtemp()) / "workers.log"
    asked = []
    for name in commands:
        named = (ways or {}).get(name, ["epoch"])
        asked += [(name, way, f"{name}, {way}" if len(named) > 1 else name) for way in named]
    results: dict[str, list[dict[str, Any]]] = {key: [] for _, _, key in asked}
    with contextlib.ExitStack() as stack:
        # One after the other: they compile while they start.
        workers = {
            name: stack.enter_context(WorkerProcess(command, log))
            for name, command in commands.items()
        }
        for number in range(rounds):
            start = number % len(asked)
            for name, way, key in asked[start:] + asked[:start]:
                results[key].append(workers[name].round(way))
        facts = {name: worker.facts for name, worker in workers.items()}
    return Measured(facts, results, clock)
