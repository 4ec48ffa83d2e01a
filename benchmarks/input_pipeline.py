"""Measures the share of a training step that goes to its input, on data of MNIST's size.

    python benchmarks/input_pipeline.py [--rounds 5] [--rows 60000] [--steps 100]

For each source of batches, in the first steps of an epoch in every round:

- step: the time from batch to batch in a plain loop, which waits for each batch and each step;
- start: the time from the beginning of an epoch to its first batch;
- waiting: the share of a whole epoch in which the loop waits for batches, the start included;
- difference: how much longer waiting for a batch and a step on it take than a step on one batch
  that is there already. The two alternate, so that other load falls on both;
- alone: the time of a batch where nothing but the pipeline runs. On a CPU it takes that from the
  steps at most, on the cores that it shares with them; a device whose step takes longer waits for
  the first batch only.

784-1000-1000-8 (style 10 and 10 classes where labels are used) and back, joint schedule, Adam,
float32, random images, half of them of class 0. Medians of the rounds.
"""

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

# What `fit` makes of arrays has no public name.
from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter

from aae_tf import AAE, SemiSupervisedAAE, data, networks, priors

NUM_CLASSES = 10
LABELS = 1000


def build(labelled: bool) -> keras.Model:
    """Returns a compiled model, one with classes where labels are used."""
    width = 2 * NUM_CLASSES if labelled else 8
    networks_of = {
        "encoder": networks.mlp_encoder((784,), seed=1),
        "decoder": networks.mlp_decoder((784,), width, seed=2),
        "seed": 0,
    }
    if labelled:
        model = SemiSupervisedAAE(
            style_prior=priors.gaussian(10), num_classes=NUM_CLASSES, **networks_of
        )
    else:
        model = AAE(prior=priors.gaussian(8, scale=5.0), **networks_of)
    model.compile(keras.optimizers.Adam(1e-3))
    return model


def sources(rows: int) -> dict[str, tuple[bool, tf.data.Dataset]]:
    """Returns whether labels are used, and the batches, of each source."""
    rng = np.random.default_rng(0)
    x = rng.random((rows, 784), dtype="float32")
    y = np.where(rng.random(rows) < 0.5, 0, rng.integers(NUM_CLASSES, size=rows))
    few = np.where(np.arange(rows) < LABELS, y, -1)
    examples = tf.data.Dataset.from_tensor_slices((x, y)).batch(100)
    return {
        "arrays through `fit`": (
            False,
            ArrayDataAdapter(x, batch_size=100, shuffle=True).get_tf_dataset(),
        ),
        "`data.shuffled_batches`": (False, data.shuffled_batches(x)),
        "`data.mix_labels`, 100 + 250 rows": (True, data.mix_labels(x, few)),
        "`data.balance_classes` of arrays": (
            True,
            data.balance_classes(x, y, num_classes=NUM_CLASSES),
        ),
        "`data.balance_classes` of a data set": (
            True,
            data.balance_classes(examples, num_classes=NUM_CLASSES),
        ),
    }


def loop(step: Callable, batches: tf.data.Dataset, steps: int) -> tuple[float, float, float]:
    """Returns the seconds of the first batch, of waiting for a later one, and of a later step."""
    asked = time.perf_counter()
    iterator = iter(batches)
    batch = next(iterator)
    start = time.perf_counter() - asked
    step(batch)["loss"].numpy()
    waited, begin = 0.0, time.perf_counter()
    for _ in range(steps):
        asked = time.perf_counter()
        batch = next(iterator)
        waited += time.perf_counter() - asked
        step(batch)["loss"].numpy()
    return start, waited / steps, (time.perf_counter() - begin) / steps


def alternate(step: Callable, batches: tf.data.Dataset, steps: int) -> float:
    """Returns which share of waiting and a step goes beyond a step on a batch that is there."""
    iterator = iter(batches)
    ready = next(iterator)
    times = np.zeros(2)
    for _ in range(steps):
        start = time.perf_counter()
        step(next(iterator))["loss"].numpy()
        middle = time.perf_counter()
        step(ready)["loss"].numpy()
        times += middle - start, time.perf_counter() - middle
    return 1.0 - times[1] / times[0]


def exhaust(batches: tf.data.Dataset) -> tuple[int, float]:
    """Returns the batches of an epoch, and the seconds of one where nothing else runs."""
    start = time.perf_counter()
    count = sum(1 for _ in batches)
    return count, (time.perf_counter() - start) / count


def main() -> None:
    """Prints the milliseconds of a step of each source, and the share of its input."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()
    steps = arguments.steps
    models = {labelled: build(labelled) for labelled in (False, True)}
    print("| batches | step, ms | start, ms | waiting | difference | alone, ms |")
    print("|---|---|---|---|---|---|")
    for name, (labelled, batches) in sources(arguments.rows).items():
        step = tf.function(models[labelled].train_step)
        # Tracing is no input.
        loop(step, batches, 3)
        rounds = [
            (
                *loop(step, batches, steps),
                alternate(step, batches, steps),
                *exhaust(batches),
            )
            for _ in range(arguments.rounds)
        ]
        start, waited, each, difference, count, alone = np.median(rounds, axis=0)
        waiting = (start + (count - 1) * waited) / (start + count * each)
        print(
            f"| {name} | {1e3 * each:.2f} | {1e3 * start:.0f} | {waiting:.1%} | {difference:.1%} | "
            f"{1e3 * alone:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
