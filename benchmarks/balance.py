"""Trains with a discriminator that is too fast or too slow, fixed and adaptive; writes BALANCE.md.

    TFDS_DATA_DIR=... python benchmarks/balance.py [--seeds 5] [--epochs 3] [--units 300 300]
    python benchmarks/balance.py --cost [--rounds 9]

An AAE of 8 dimensions on MNIST, Adam, rates that fall linearly to zero. The discriminator's rate
is the encoder's, which suits it, or ten times as high or low. Each run goes to balance.json, and is
not made again while it is there. Choices were made on the validation split; the figures are of the
test images.
"""

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from fit_times import FitTimes, cost_table, use_one_thread
from report import TRAINING, made_with
from run_file import RunFile

from aae_tf import AAE, data, divergences, mmd, networks, priors

CODE, PIXELS, BATCH, RATE = 8, 784, 100, 1e-3
RESULTS = Path(__file__).with_name("BALANCE.md")
# Factor of the discriminator's rate, and the balance.
CASES = {
    "tuned, fixed": (1.0, "fixed"),
    "ten times too high, fixed": (10.0, "fixed"),
    "ten times too high, adaptive": (10.0, "adaptive"),
    "ten times too low, fixed": (0.1, "fixed"),
    "ten times too low, adaptive": (0.1, "adaptive"),
    "tuned, adaptive": (1.0, "adaptive"),
}


def build(units: Sequence[int], seed: int) -> AAE:
    """Gives a model with networks of `units`, the discriminator included."""
    discriminator = networks.mlp_discriminator(CODE, units, seed=100 * seed + 3)
    return AAE(
        networks.mlp_encoder((PIXELS,), units, seed=100 * seed + 1),
        networks.mlp_decoder((PIXELS,), CODE, units, seed=100 * seed + 2),
        prior=priors.gaussian(CODE, scale=5.0),
        divergence=divergences.Adversarial(discriminator, weight=1.0),
        seed=seed,
    )


def run(case: str, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Trains once, and measures the test images."""
    keras.utils.clear_session()
    start = time.perf_counter()
    factor, balance = CASES[case]
    split = data.load("mnist", seed=seed)
    model = build(arguments.units, seed)
    steps = arguments.epochs * (len(split.x_train) // BATCH)

    def optimizer(rate: float) -> keras.optimizers.Optimizer:
        schedule = keras.optimizers.schedules.PolynomialDecay(rate, steps, end_learning_rate=0.0)
        return keras.optimizers.Adam(schedule)

    model.compile(optimizer(RATE), optimizer(factor * RATE), balance=balance)
    # Keras shuffles by this.
    keras.utils.set_random_seed(seed)
    inputs = split.x_train.reshape(-1, PIXELS)
    logs = model.fit(inputs, batch_size=BATCH, epochs=arguments.epochs, verbose=0).history
    held_out = split.x_test.reshape(-1, PIXELS)
    kernel = mmd.default_kernel(model.prior)
    squared = mmd.squared_mmd(model.encode(held_out), model.prior, kernel)
    errors = model.evaluate(held_out, verbose=0, return_dict=True)
    return {
        "half_squared_error": errors["reconstruction_loss"],
        "squared_mmd": float(squared),
        "accuracy": logs["latent_discriminator_accuracy"][-1],
        "seconds": round(time.perf_counter() - start, 1),
    }


def write_table(runs: RunFile, arguments: argparse.Namespace) -> None:
    """Writes BALANCE.md from the runs of one setting."""
    own = {case: runs.find(case=case) for case in CASES}
    tuned = own["tuned, fixed"]
    lines = []
    for case, some in own.items():
        if not (some and tuned):
            continue
        cells = [case, str(len(some))]
        for key, factor in (("half_squared_error", 1.0), ("squared_mmd", 1e3)):
            values = np.array([factor * r[key] for r in some])
            reference = np.mean([factor * r[key] for r in tuned])
            spread = f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else ""
            cells += [f"{values.mean():.2f}{spread}", f"{values.mean() / reference:.2f}"]
        roots = [np.sqrt(max(np.mean([r["squared_mmd"] for r in s]), 0.0)) for s in (some, tuned)]
        cells += [f"{roots[0] / roots[1]:.2f}", f"{np.mean([r['accuracy'] for r in some]):.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    units = "-".join(map(str, arguments.units))
    RESULTS.write_text(
        f"""# Adaptive balance against fixed rates

Written by `TFDS_DATA_DIR=... python benchmarks/balance.py` from balance.json. AAE on MNIST, 50,000
images, {arguments.epochs} epochs in batches of {BATCH}; 784-{units}-{CODE} and back, discriminator
{CODE}-{units}-1, prior N(0, 5^2 I), schedule joint. Adam at {RATE:g} for encoder and decoder, and
for the discriminator where it is tuned; both fall linearly to zero. Figures of the 10,000 test
images: mean and standard deviation over seeds, which fix weights, batches and noise. Ratios are of
the means to those of the first line; to reach: at most 1.15. Accuracy: the discriminator's, last
epoch.

| rate of the discriminator | seeds | half-squared error, nats | ratio \
| MMD^2, 1e-3 | ratio | MMD, ratio | accuracy |
|---|---|---|---|---|---|---|---|
{chr(10).join(lines)}

{made_with(*TRAINING)}
"""
    )
    print(RESULTS.read_text())


def measure_cost(rounds: int, steps: int = 50) -> None:
    """Times steps of wide networks with and without the balance in turns; prints the medians."""
    inputs = np.random.default_rng(0).random((BATCH * steps, PIXELS), dtype="float32")
    rows = []
    for schedule in ("joint", "alternating"):
        models = {balance: build((1000, 1000), 0) for balance in ("fixed", "adaptive")}
        for balance, model in models.items():
            model.compile(
                keras.optimizers.Adam(1e-4),
                balance=balance,
                schedule=schedule,
                steps_per_execution=10,
            )
        times = FitTimes(models, inputs, BATCH, rounds)
        rows.append(times.cells(schedule, "fixed", "adaptive"))
    print(cost_table("schedule", "fixed", "adaptive", rows))


def main() -> None:
    """Makes the runs that are missing, seed by seed, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--units", type=int, nargs="+", default=[300, 300])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("balance.json"))
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    if arguments.cost:
        use_one_thread()
        measure_cost(arguments.rounds)
        return
    runs = RunFile(arguments.out, {"epochs": arguments.epochs, "units": arguments.units})
    for seed in range(arguments.seeds):
        for case in CASES:
            if not runs.find(case=case, seed=seed):
                mark = {"case": case, "seed": seed}
                print(runs.add(mark, run(case, seed, arguments)), flush=True)
    write_table(runs, arguments)


if __name__ == "__main__":
    main()
