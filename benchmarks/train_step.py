"""Measures one training step by schedule, divergence and compiler, interleaved in one run.

    python benchmarks/train_step.py [--rounds 7] [--steps 100]

784-1000-1000-8 and back, discriminator 8-1000-1000-1, batch 100, Adam, float32, random images.
"""

import argparse
import itertools
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

from aae_tf import AAE, networks, priors


def build(schedule: str, divergence: str, jit_compile: bool) -> AAE:
    """Returns a compiled model."""
    model = AAE(
        encoder=networks.mlp_encoder((784,), seed=1),
        decoder=networks.mlp_decoder((784,), code_dim=8, seed=2),
        prior=priors.gaussian(8, scale=5.0),
        divergence=divergence,
        seed=0,
    )
    model.compile(
        keras.optimizers.Adam(1e-3),
        schedule=schedule,
        jit_compile=jit_compile,
        steps_per_execution=10,
    )
    return model


def main() -> None:
    """Prints the median milliseconds of a step for each way, and the ratio XLA / plain."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()
    x = np.random.default_rng(0).random((100 * arguments.steps, 784), dtype="float32")
    ways = list(itertools.product(("joint", "alternating"), ("adversarial", "mmd"), (False, True)))
    models = {way: build(*way) for way in ways}
    times = {way: [] for way in ways}
    for round_number in range(arguments.rounds + 1):
        for way, model in models.items():
            start = time.perf_counter()
            model.fit(x, batch_size=100, verbose=0, shuffle=False)
            # The first round traces and compiles.
            if round_number:
                times[way].append(1e3 * (time.perf_counter() - start) / arguments.steps)
    print("| schedule | divergence | plain, ms | XLA, ms | XLA / plain, median of rounds |")
    print("|---|---|---|---|---|")
    for schedule, divergence, _ in ways[::2]:
        plain, xla = (np.array(times[schedule, divergence, jit]) for jit in (False, True))
        print(
            f"| {schedule} | {divergence} | {np.median(plain):.1f} | {np.median(xla):.1f} "
            f"| {np.median(xla / plain):.2f} |"
        )


if __name__ == "__main__":
    main()
