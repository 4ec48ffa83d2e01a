"""Times of `fit` of several models, in turn."""

import time
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
from report import table

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

    def cells(self, title: str, plain: str, costly: str) -> tuple[str, ...]:
        """Formats a row of `cost_table`: medians of both, and of the ratios of rounds."""
        both = [f"{np.median(self.wall[name]):.1f}" for name in (plain, costly)]
        ratios = [
            f"{np.median(times[costly] / times[plain]):.3f}"
            for times in (self.wall, self.processor)
        ]
        return (title, *both, *ratios)


def cost_table(title: str, plain: str, costly: str, rows: Sequence[Sequence[str]]) -> str:
    """Formats what one way costs beside another."""
    ratio = f"{costly} / {plain}, median of rounds"
    head = (title, f"{plain}, ms", f"{costly}, ms", ratio, f"{ratio}, of the processor")
    return table(head, rows)


def use_one_thread() -> None:
    """Makes processor time, the one that other work leaves alone, a fair measure."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
