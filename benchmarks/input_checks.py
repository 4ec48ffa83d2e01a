"""Measures what the checks of `fit` cost in an epoch, on arrays and on a tf.data pipeline.

    python benchmarks/input_checks.py [--rounds 7] [--rows 20000] [--processor-time --threads 1]

784-1000-1000-8 with a closed-form MMD, batches of 100 rows of 28x28x1. With the checks:
`model.fit`.
Without: `keras.Model.fit` of the same model, which looks at no data, and makes the same steps.
Epochs alternate within a round. Prints Markdown.
"""

import argparse
import os
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from report import TRAINING, add_measuring_options, clock_of, made_with, table, verdict

from aae_tf import AAE, networks, priors

BATCH = 100
REACH = 1.01


def make_model() -> AAE:
    """Builds and compiles the model."""
    shape = (28, 28, 1)
    model = AAE(
        networks.mlp_encoder(shape, seed=1),
        networks.mlp_decoder(shape, code_dim=8, seed=2),
        prior=priors.gaussian(8),
        divergence="mmd",
        seed=0,
    )
    model.compile()
    return model


def epoch_times(
    fits: dict[str, Callable[[], object]], rounds: int, now: Callable[[], float]
) -> dict[str, np.ndarray]:
    """Times each function in every round, in an order that turns."""
    names = list(fits)
    times: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        fits[name]()
    for number in range(rounds):
        for name in names[number % 2 :] + names[: number % 2]:
            start = now()
            fits[name]()
            times[name].append(now() - start)
    return {name: np.array(values) for name, values in times.items()}


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_measuring_options(parser, rounds=7)
    parser.add_argument("--rows", type=int, default=20_000)
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    now = clock_of(arguments.clock)
    model = make_model()
    x = np.random.default_rng(0).random((arguments.rows, 28, 28, 1), dtype="float32")
    batches = tf.data.Dataset.from_tensor_slices(x).batch(BATCH)
    options = {"batch_size": BATCH, "shuffle": False, "verbose": 0}
    rows = []
    for name, data, given in (("arrays", x, options), ("tf.data", batches, {"verbose": 0})):
        fits = {
            "with": lambda data=data, given=given: model.fit(data, **given),
            "without": lambda data=data, given=given: keras.Model.fit(
                model, data, **{"shuffle": False, **given}
            ),
        }
        times = epoch_times(fits, arguments.rounds, now)
        ratios = times["with"] / times["without"]
        low, middle, high = np.percentile(ratios, [25, 50, 75])
        rows.append(
            [
                name,
                f"{np.median(times['with']):.2f} s",
                f"{np.median(times['without']):.2f} s",
                f"{middle:.3f} ({low:.3f} to {high:.3f})",
                verdict(float(low), REACH, at_most=True),
            ]
        )
    head = ["data", "with checks", "without", "ratio (quartiles)", "lower quartile"]
    print(table(head, rows))
    print(f"\n{made_with(*TRAINING)}")


if __name__ == "__main__":
    main()
