"""Measures what closed forms save, in variance and in time, and writes MOMENT_MATCHING.md.

    python benchmarks/moment_matching.py [--rounds 9] [--repetitions 2000]

Every comparison is interleaved in one run; times are medians over rounds, ratios the medians of the
ratios of a round. Takes about three minutes of one core.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from report import TRAINING, made_with

from aae_tf import AAE, mmd, networks, priors

RESULTS = Path(__file__).with_name("MOMENT_MATCHING.md")
tfd = tfp.distributions
BATCH = 100
FEATURES = 1024


def mixture_8d() -> tfd.Distribution:
    """Returns ten Gaussians in eight dimensions."""
    locs = 2.0 * np.random.default_rng(0).standard_normal((10, 8)).astype("float32")
    return tfd.MixtureSameFamily(
        tfd.Categorical(probs=np.full(10, 0.1, "float32")),
        tfd.MultivariateNormalDiag(locs, np.full(8, 0.5, "float32")),
    )


PRIORS = {
    "N(0, 5^2 I), 8-D": lambda: priors.gaussian(8, scale=5.0),
    "ten Gaussians, 8-D": mixture_8d,
    "ring of ten Gaussians, 2-D": lambda: priors.ring_mixture(10),
}


def variances(prior: tfd.Distribution, repetitions: int) -> tuple[float, float]:
    """Returns the variance of MMD^2 of 100 samples of the prior, in closed form and sampled."""
    kernel = mmd.default_kernel(prior)

    @tf.function
    def estimates(seed: tf.Tensor) -> tf.Tensor:
        first, second = tf.unstack(tf.random.split(seed, 2))
        x, y = (prior.sample(BATCH, seed=each) for each in (first, second))
        return tf.stack(
            [mmd.squared_mmd(x, prior, kernel), mmd.squared_mmd_two_samples(x, y, kernel)]
        )

    values = np.array([estimates(tf.constant([i, 0])) for i in range(repetitions)])
    closed, sampled = values.var(axis=0, ddof=1)
    return float(closed), float(sampled)


def interleave(calls: dict[str, Callable[[], Any]], rounds: int, repeats: int) -> dict[str, Any]:
    """Returns the seconds of each call in every round, the first of which is not counted."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(repeats):
                call()
            if number:
                times[name].append((time.perf_counter() - start) / repeats)
    return {name: np.array(seconds) for name, seconds in times.items()}


def penalty(prior: tfd.Distribution, kernel: Any, codes: tf.Tensor, way: str) -> Callable[[], Any]:
    """Returns a compiled call that computes MMD^2 of `codes` and its gradient."""
    ready = prior.sample(len(codes), seed=[0, 3])

    @tf.function
    def step(z: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(z)
            if way == "closed form":
                value = mmd.squared_mmd(z, prior, kernel)
            else:
                drawn = priors.sample(prior, tf.shape(z)[0], seed) if way == "sampled" else ready
                value = mmd.squared_mmd_two_samples(z, drawn, kernel)
        return tape.gradient(value, z)

    seed = tf.constant([0, 1])
    return lambda: step(codes, seed).numpy()


def penalty_times(rounds: int) -> dict[str, Any]:
    """Times one penalty with its gradient at batch 100 under the ten Gaussians in 8-D."""
    prior = mixture_8d()
    kernel, codes = mmd.default_kernel(prior), prior.sample(BATCH, seed=[0, 2])
    ways = ("closed form", "sampled", "two samples, drawn beforehand")
    return interleave({w: penalty(prior, kernel, codes, w) for w in ways}, rounds, repeats=100)


def growth(rounds: int) -> dict[int, dict[str, Any]]:
    """Times the penalty by random features beside the quadratic one, by batch size."""
    prior = mixture_8d()
    kernel = mmd.default_kernel(prior)
    features = mmd.FourierFeatures(kernel, 8, FEATURES, seed=0)
    result = {}
    for batch in (100, 1000, 10_000):
        codes = prior.sample(batch, seed=[0, 2])
        calls = {
            "random features": penalty(prior, features, codes, "closed form"),
            "all pairs": penalty(prior, kernel, codes, "closed form"),
        }
        result[batch] = interleave(calls, 5 if batch > 1000 else rounds, max(1, 2000 // batch))
    return result


def step_times(rounds: int, steps: int = 50) -> dict[tuple[str, str], Any]:
    """Times a training step with the paper's networks: 784-1000-1000-8, discriminator 1000-1000."""
    x = np.random.default_rng(0).random((BATCH * steps, 784), dtype="float32")
    calls = {}
    for schedule in ("joint", "alternating"):
        for divergence in ("adversarial", "mmd"):
            model = AAE(
                encoder=networks.mlp_encoder((784,), seed=1),
                decoder=networks.mlp_decoder((784,), code_dim=8, seed=2),
                prior=priors.gaussian(8, scale=5.0),
                divergence=divergence,
                seed=0,
            )
            model.compile(keras.optimizers.Adam(1e-3), schedule=schedule, steps_per_execution=10)
            calls[schedule, divergence] = lambda model=model: model.fit(
                x, batch_size=BATCH, verbose=0, shuffle=False
            )
    times = interleave(calls, rounds, repeats=1)
    return {way: seconds / steps for way, seconds in times.items()}


def ratio(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the median of the ratios of the rounds."""
    return float(np.median(first / second))


def report(rounds: int, repetitions: int) -> str:
    """Measures everything and returns the page."""
    lines = [
        "# Moment matching: what closed forms save",
        "",
        "Written by `python benchmarks/moment_matching.py`. Kernels are `mmd.default_kernel` of",
        "the prior: four widths.",
        "",
        f"Variance of the unbiased MMD^2 of {BATCH} samples of the prior, {repetitions} times;",
        "to reach: at most a third of the estimate that samples the prior.",
        "",
        "| prior | closed form | sampled | ratio |",
        "|---|---|---|---|",
    ]
    for name, make in PRIORS.items():
        closed, sampled = variances(make(), repetitions)
        lines.append(f"| {name} | {closed:.2e} | {sampled:.2e} | {closed / sampled:.2f} |")
    times = penalty_times(rounds)
    lines += [
        "",
        f"One penalty with its gradient, batch {BATCH}, ten Gaussians in 8-D; to reach: no slower.",
        "",
        "| way | ms | of the closed form's time |",
        "|---|---|---|",
    ]
    lines += [
        f"| {way} | {1e3 * np.median(t):.2f} | {ratio(t, times['closed form']):.2f} |"
        for way, t in times.items()
    ]
    lines += [
        "",
        f"The same by batch size, with {FEATURES} random features and over all pairs; to reach:",
        "at most 120-fold from 100 to 10,000.",
        "",
        "| batch | random features, ms | all pairs, ms |",
        "|---|---|---|",
    ]
    by_batch = growth(rounds)
    ways = ("random features", "all pairs")
    medians = {batch: [1e3 * np.median(t[way]) for way in ways] for batch, t in by_batch.items()}
    lines += [f"| {batch} | {ms[0]:.2f} | {ms[1]:.2f} |" for batch, ms in medians.items()]
    first, last = medians[100], medians[10_000]
    lines.append(f"| growth | {last[0] / first[0]:.0f}-fold | {last[1] / first[1]:.0f}-fold |")
    steps = step_times(rounds)
    lines += [
        "",
        "One training step, 784-1000-1000-8 and back, batch 100, Adam, float32; the adversary is",
        "1000-1000; to reach: the MMD >= 1.3 times as fast.",
        "",
        "| schedule | adversarial, ms | mmd, ms | times as fast |",
        "|---|---|---|---|",
    ]
    for schedule in ("joint", "alternating"):
        adversarial, moments = (steps[schedule, way] for way in ("adversarial", "mmd"))
        lines.append(
            f"| {schedule} | {1e3 * np.median(adversarial):.1f} | {1e3 * np.median(moments):.1f} "
            f"| {ratio(adversarial, moments):.2f} |"
        )
    lines += [
        "",
        "Milliseconds are those of one noisy machine.",
        "",
        made_with(*TRAINING),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Writes the page and prints it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--repetitions", type=int, default=2000)
    arguments = parser.parse_args()
    RESULTS.write_text(report(arguments.rounds, arguments.repetitions))
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
