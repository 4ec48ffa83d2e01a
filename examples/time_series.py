"""Anomalies in a time series: windows, a convolutional model, and a score for every step.

python examples/time_series.py                # two sensors, made up
python examples/time_series.py machine.csv    # a column "time", and numbers, of normal operation
"""

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import matplotlib as mpl

mpl.use("Agg")

import keras
import matplotlib.pyplot as plt
import numpy as np

from aae_tf import AAE, AnomalyDetector, data, evaluation, networks, priors

LENGTH, CODE_DIM = 24, 4
# Hours of the made-up series, and those in which its second sensor is stuck.
HOURS, STUCK = 6000, slice(5600, 5640)


def make_series(seed: int = 0) -> dict[str, np.ndarray]:
    """Makes two sensors with a daily rhythm, a gap of two days, and a sensor that gets stuck."""
    rng = np.random.default_rng(seed)
    hour = np.arange(HOURS)
    load = np.sin(2 * np.pi * hour / 24) + 0.1 * rng.normal(size=HOURS)
    temperature = 40 + 8 * np.sin(2 * np.pi * (hour - 3) / 24) + rng.normal(size=HOURS)
    temperature[STUCK] = temperature[STUCK.start]
    time = np.datetime64("2024-01-01T00:00:00") + (hour + 48 * (hour > 2000)) * 3600
    return {"time": time, "load": load, "temperature": temperature}


def read(path: str) -> Any:
    """Reads a CSV file."""
    import pandas

    frame = pandas.read_csv(path)
    return {name: frame[name].to_numpy() for name in frame}


def main(path: str | None = None, epochs: int = 30, out: str = "runs/time_series") -> None:
    """Trains on the first 60%, calibrates on the next 20%, and scores every step of the rest."""
    series = make_series() if path is None else read(path)
    columns = [name for name in series if name != "time"]
    count = len(series["time"])
    first, second = int(0.6 * count), int(0.8 * count)

    def cut(start: int, stop: int | None, stride: int) -> data.Windows:
        part = {name: values[start:stop] for name, values in series.items()}
        return data.windows(part, LENGTH, stride, time_column="time")

    shape = (LENGTH, len(columns))
    # The model takes sensors in their units, and standardizes them itself.
    normalization = keras.layers.Normalization()
    normalization.adapt(cut(0, first, LENGTH).x)
    model = AAE(
        encoder=networks.conv1d_encoder(
            shape, filters=(16, 32), units=(32,), seed=1, normalization=normalization
        ),
        decoder=networks.conv1d_decoder(
            shape, CODE_DIM, (32, 16), units=(32,), seed=2, normalization=normalization
        ),
        prior=priors.gaussian(CODE_DIM),
        seed=0,
    )
    model.compile(optimizer=keras.optimizers.Adam(2e-3))
    model.fit(cut(0, first, 1).x, epochs=epochs, batch_size=100, verbose=2)

    # Windows that overlap are alike: those that calibrate do not.
    detector = AnomalyDetector(model, false_alarm_rate=0.05).calibrate(cut(first, second, LENGTH).x)
    folder = Path(out)
    detector.save(folder)

    watched = cut(second, None, 1)
    scores = detector.score(watched.x)
    print(f"{scores['is_anomaly'].mean():.1%} of the windows are called anomalies")
    # A score for every step and column, the mean over the windows that have the step.
    by_column = scores["column_scores"].reshape(len(watched.x), *shape)
    steps = watched.per_step(by_column)
    if path is None:
        is_stuck = np.zeros(HOURS, int)
        is_stuck[STUCK] = 1
        # A step is an anomaly where most of its windows are.
        alarms = (watched.per_step(scores["is_anomaly"]) > 0.5).astype(int)
        metrics = evaluation.anomaly_metrics(is_stuck[second:], steps.sum(axis=1), alarms)
        print(f"AUROC of steps {metrics['auroc']:.3f}, recall {metrics['recall']:.2f}")

    figure, axes = plt.subplots(len(columns), sharex=True, figsize=(10, 2 * len(columns) + 1))
    for axis, name, score in zip(np.atleast_1d(axes), columns, steps.T, strict=True):
        axis.plot(series[name][second:], linewidth=0.8)
        axis.set_ylabel(name)
        scale = axis.twinx()
        scale.plot(score, linewidth=0.8, color="C1")
        scale.set_ylabel("score, nats", color="C1")
    figure.savefig(folder / "steps.png")
    plt.close(figure)
    print(f"Written: {folder / 'steps.png'}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
