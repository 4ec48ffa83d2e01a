"""Times of `fit` of several models, in turn."""

import time
from collections.abc import Mapping

import keras
import numpy as np

from aae_tf import data


class FitTimes:
    """Rounds of one epoch of each model, after one that is not counted.

    Args:
        models: compiled, by name.
        inputs: float array [n, ...].
        batch_size: number of rows in a batch.
        rounds: how many.

    Attributes:
        wall: milliseconds of a step by the wall clock, [rounds] for each model.
        processor: the same of the processor, which other work changes little, on one thread.
    """

    def __init__(
        self, models: Mapping[str, keras.Model], inputs: np.ndarray, batch_size: int, rounds: int
    ) -> None:
        batches = data.shuffled_batches(inputs, batch_size=batch_size)
        steps = int(batches.cardinality())
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in models}
        for number in range(rounds + 1):
            # Whoever goes second finds warmer caches: take turns.
            for name in sorted(models, reverse=bool(number % 2)):
                start = np.array([time.perf_counter(), time.process_time()])
                models[name].fit(batches, verbose=0)
                end = np.array([time.perf_counter(), time.process_time()])
                if number:
                    times[name].append(tuple(1e3 * (end - start) / steps))
        self.wall, self.processor = (
            {name: np.array(pairs)[:, clock] for name, pairs in times.items()} for clock in (0, 1)
        )

    def row(self, title: str, plain: str, costly: str) -> str:
        """Formats a line of a table: medians of both, and of the ratios of rounds."""
        cells = [title]
        cells += [f"{np.median(self.wall[name]):.1f}" for name in (plain, costly)]
        cells += [
            f"{np.median(times[costly] / times[plain]):.3f}"
            for times in (self.wall, self.processor)
        ]
        return f"| {' | '.join(cells)} |"


def head(title: str, plain: str, costly: str) -> str:
    """Formats the head of a table of such lines."""
    ratio = f"{costly} / {plain}, median of rounds"
    cells = (title, f"{plain}, ms", f"{costly}, ms", ratio, f"{ratio}, of the processor")
    return f"| {' | '.join(cells)} |\n|{'---|' * len(cells)}"
