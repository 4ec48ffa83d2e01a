"""Measures how a training step grows with batch, code, image and divergence.

    python benchmarks/growth.py [--rounds 5] [--plot benchmarks/images/growth.png]

Schedule joint, Adam, float32; each series in turn with itself, so that a round meets one machine.
The exponent is the slope of log time over log size, by least squares over all points and between
the last two. Prints Markdown.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator
from report import add_measuring_options, clock_of, table

from aae_tf import AAE, divergences, networks, priors

SECONDS = 0.3
BATCHES = (50, 100, 200, 500, 1000, 2000, 5000)
CODE_DIMS = (2, 8, 32, 128, 512, 1024)
SIDES = (28, 48, 64, 96, 128)
FEATURES = 1024


class Series(NamedTuple):
    """One curve.

    Attributes:
        title: what grows.
        label: which way it is.
        make: a size to a call that does the work once.
        sizes: where it is measured.
    """

    title: str
    label: str
    make: Callable[[int], Callable[[], object]]
    sizes: tuple[int, ...]


def step(model: AAE, shape: tuple[int, ...]) -> Callable[[], object]:
    """Returns a call that trains on one batch."""
    model.compile(keras.optimizers.Adam(1e-3))
    batch = tf.random.stateless_uniform(shape, [0, 0])
    train = tf.function(model.train_step, autograph=False)
    return lambda: {key: value.numpy() for key, value in train(batch).items()}


def dense(batch: int, code_dim: int = 8, divergence: str = "adversarial") -> Callable[[], object]:
    """Makes a step of 784-1000-1000 and back."""
    model = AAE(
        encoder=networks.mlp_encoder((784,), seed=1),
        decoder=networks.mlp_decoder((784,), code_dim=code_dim, seed=2),
        prior=priors.gaussian(code_dim, scale=5.0),
        divergence=divergence,
        seed=0,
    )
    return step(model, (batch, 784))


def convolutional(side: int) -> Callable[[], object]:
    """Makes a step on images, batch 100."""
    model = AAE(
        encoder=networks.conv_encoder((side, side, 1), seed=1),
        decoder=networks.conv_decoder((side, side, 1), code_dim=8, seed=2),
        prior=priors.gaussian(8, scale=5.0),
        divergence=divergences.Adversarial((1000, 1000)),
        seed=0,
    )
    return step(model, (100, side, side, 1))


def moment_matching(batch: int, num_features: int | None) -> Callable[[], object]:
    """Makes a closed-form MMD of codes to their prior, with its gradient."""
    divergence = divergences.MMD(num_features=num_features)
    divergence.connect(priors.gaussian(8, scale=5.0), seed=0)
    codes = tf.Variable(5.0 * tf.random.stateless_normal([batch, 8], [0, 0]))

    @tf.function(autograph=False)
    def gradient() -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = divergence.compare(codes, tf.constant([0, 0])).encoder_loss
        return tape.gradient(loss, codes)

    return lambda: gradient().numpy()


SERIES = (
    Series("batch", "adversarial", dense, BATCHES),
    Series("batch", "MMD", lambda batch: dense(batch, divergence="mmd"), BATCHES),
    Series("code dimension", "batch 100", lambda dim: dense(100, dim), CODE_DIMS),
    Series("side of the images", "batch 100", convolutional, SIDES),
    Series("batch of the divergence", "all pairs", lambda n: moment_matching(n, None), BATCHES),
    Series(
        "batch of the divergence",
        f"{FEATURES:,} random features",
        lambda n: moment_matching(n, FEATURES),
        BATCHES,
    ),
)


def seconds(call: Callable[[], object], now: Callable[[], float]) -> float:
    """Repeats a call for some time, at least once; returns the seconds of one."""
    number, start = 0, now()
    while number == 0 or now() - start < SECONDS:
        call()
        number += 1
    return (now() - start) / number


def measure(series: Series, rounds: int, now: Callable[[], float]) -> np.ndarray:
    """Gives the median seconds at each size."""
    calls = [series.make(size) for size in series.sizes]
    for call in calls:
        call()
    return np.median([[seconds(call, now) for call in calls] for _ in range(rounds)], axis=0)


def exponents(sizes: tuple[int, ...], times: np.ndarray) -> tuple[float, float]:
    """Gives the slope over all points, and between the last two."""
    x, y = np.log(sizes), np.log(times)
    return float(np.polyfit(x, y, 1)[0]), float((y[-1] - y[-2]) / (x[-1] - x[-2]))


def series_sizes(results: list[tuple[Series, np.ndarray]], title: str) -> tuple[int, ...]:
    """Gives the sizes of one panel."""
    return next(series.sizes for series, _ in results if series.title == title)


def plot(results: list[tuple[Series, np.ndarray]], path: Path) -> None:
    """Draws the curves, a panel for each thing that grows."""
    titles = list(dict.fromkeys(series.title for series, _ in results))
    figure = Figure(figsize=(3.2 * len(titles), 3.4), layout="constrained")
    for axes, title in zip(figure.subplots(1, len(titles)), titles, strict=True):
        for series, times in results:
            if series.title == title:
                slope, last = exponents(series.sizes, times)
                label = f"{series.label}: exponent {slope:.2f}, at the end {last:.2f}"
                axes.loglog(series.sizes, 1e3 * times, "o-", markersize=4, label=label)
        axes.set_xlabel(title)
        axes.set_ylabel("ms")
        axes.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
        axes.grid(alpha=0.3)
        for axis, locator in (
            (axes.xaxis, FixedLocator(series_sizes(results, title))),
            (axes.yaxis, LogLocator(subs=(1.0, 2.0, 5.0))),
        ):
            axis.set_major_locator(locator)
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_locator(NullLocator())
        axes.tick_params(axis="x", rotation=60, labelsize=8)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_measuring_options(parser, rounds=5)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    results, rows = [], []
    for series in SERIES:
        times = measure(series, arguments.rounds, clock_of(arguments.clock))
        results.append((series, times))
        slope, last = exponents(series.sizes, times)
        sizes = ", ".join(
            f"{size:,}: {1e3 * value:.3g}" for size, value in zip(series.sizes, times, strict=True)
        )
        rows.append((series.title, series.label, sizes, f"{slope:.2f}", f"{last:.2f}"))
        keras.backend.clear_session()
    head = ("what grows", "way", "size: ms", "exponent", "between the last two")
    print(f"## Growth, schedule joint, float32\n\n{table(head, rows)}")
    if arguments.plot:
        plot(results, arguments.plot)


if __name__ == "__main__":
    main()
