"""Measures training on a table that stays in a file: memory, and speed beside the rows in memory.

    PYTHONPATH=. python benchmarks/large_tables.py FOLDER [--rows 5000000] [--steps 1000]

Makes FOLDER/table-ROWS.csv of 20 mixed columns, reads it with `data.load(stream=True)`, and trains
an AAE with layers 256, 256 and a code of 8 on batches of 1,000. Prints the seconds of the first
pass, the largest memory of the process until the end of a streamed epoch, and the seconds, of the
clock and of processor time, of `--steps` steps, streamed and from an array of the same features, in
turns. What has been read stays in FOLDER/cache.
"""

import argparse
import os
import resource
import time
from pathlib import Path

import numpy as np

BATCH, CODE, UNITS, PART, ROUNDS = 1000, 8, (256, 256), 100_000, 3


def make_table(path: Path, rows: int) -> None:
    """Writes 12 numbers, 3 counts, a boolean, a date, and 3 columns of text of 10 values."""
    import pandas as pd

    rng = np.random.default_rng(0)
    names = np.array([f"value-{i}" for i in range(10)])
    unfinished = path.with_suffix(".partial")
    for first in range(0, rows, PART):
        n = min(PART, rows - first)
        common = rng.normal(size=n)
        frame = {f"x{i}": (common + rng.normal(size=n)).round(4) for i in range(12)}
        frame |= {f"n{i}": rng.poisson(np.exp(0.5 * common + 1.0)) for i in range(3)}
        frame["flag"] = common > 0.5
        days = np.datetime64("2024-01-01T00:00:00") + rng.integers(0, 86400 * 365, n)
        frame["day"] = np.datetime_as_string(days)
        frame |= {f"c{i}": names[rng.integers(0, 10, n)] for i in range(3)}
        pd.DataFrame(frame).to_csv(unfinished, index=False, mode="a", header=first == 0)
    unfinished.rename(path)


def largest_memory() -> float:
    """Returns the largest memory of this process so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--steps", type=int, default=1000, help="0: a whole epoch")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    path = arguments.folder / f"table-{arguments.rows}.csv"
    if not path.exists():
        make_table(path, arguments.rows)
    os.environ["AAE_TF_CACHE"] = str(arguments.folder / "cache")

    import aae_tf
    from aae_tf import data, networks, priors

    print(f"{path}: {path.stat().st_size / 1e9:.2f} GB; {largest_memory():.2f} GB at start")
    dataset = None
    for attempt in ("first", "second"):
        # A file that is mapped twice counts twice in the memory of a process.
        del dataset
        start = time.perf_counter()
        dataset = data.load(str(path), stream=True)
        seconds = time.perf_counter() - start
        print(f"{attempt} load: {seconds:.1f} s, {largest_memory():.2f} GB", flush=True)
    model = aae_tf.AAE(
        networks.tabular_encoder(dataset.table, UNITS),
        networks.tabular_decoder(dataset.table, CODE, UNITS),
        prior=priors.gaussian(CODE),
        table=dataset.table,
        seed=0,
    )
    model.compile()
    epoch = len(dataset.x_train) // BATCH
    steps = min(arguments.steps or epoch, epoch)

    def measure(x: object, number: int) -> tuple[float, float]:
        batches = data.shuffled_batches(x, batch_size=BATCH, first_epoch=number).take(steps)
        start, processor = time.perf_counter(), time.process_time()
        model.fit(batches, verbose=0)
        return time.perf_counter() - start, time.process_time() - processor

    model.fit(data.shuffled_batches(dataset.x_train, batch_size=BATCH).take(20), verbose=0)
    streamed = [measure(dataset.x_train, 0)]
    print(f"streamed: {steps} steps, {streamed[0][0]:.1f} s; {largest_memory():.2f} GB", flush=True)
    features = np.asarray(dataset.x_train)
    print(f"features in memory: {features.nbytes / 1e9:.2f} GB")
    held = []
    for number in range(1, ROUNDS + 1):
        held.append(measure(features, number))
        streamed.append(measure(dataset.x_train, number))
    for name, place in (("clock", 0), ("processor time", 1)):
        memory, file = (np.array([each[place] for each in times]) for times in (held, streamed))
        print(
            f"{name}: in memory {np.round(memory, 1)} s, streamed {np.round(file, 1)} s, "
            f"speed {np.median(memory) / np.median(file):.2f}"
        )


if __name__ == "__main__":
    main()
