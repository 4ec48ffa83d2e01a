"""Trains on one device and on several, with the same batches and seeds; prints how losses differ.

    python benchmarks/replicas.py [--replicas 2] [--steps 200] [--cases "AAE adversarial" ...]

Replicas are logical devices of one CPU under `tf.distribute.MirroredStrategy`; the data are the
bundled digits. Differences are the largest of all steps: of the loss, relative to its value at
that step, or a tenth of its mean if that is larger; of any other term, relative to the mean of its
absolute values, since an unbiased MMD passes through zero. What is left is rounding, which the
order of sums decides, and what training makes of it: the last column has two trainings on one
device, whose inputs differ by one part in ten million.
"""

import argparse
import dataclasses
import os
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from aae_tf import data
from aae_tf.runs import build_model, make_recipe
from aae_tf.runs.training_data import training_batches, training_data

_GENTLE = {"units": (128, 64), "discriminator_units": (64, 64), "batch_size": 100}
_MMD = {"divergence": "mmd"}
# Fields of recipes, by what is compared.
CASES: dict[str, dict[str, Any]] = {
    "AAE adversarial": {"model": "aae"},
    "AAE adversarial, alternating": {"model": "aae", "schedule": "alternating"},
    "AAE adversarial, SGD momentum": {
        "model": "aae", "optimizer": "sgd", "learning_rate": 0.01, "momentum": 0.9,
    },
    "AAE adversarial, universal": {"model": "aae", "posterior": "universal"},
    "AAE adversarial, batch normalisation": {
        "model": "aae", "batch_normalization": True, "normalize_codes": True,
    },
    "AAE adversarial, noise and dropout": {
        "model": "aae", "dropout": 0.2, "input_noise": 0.3, "decoder_input_noise": 0.1,
    },
    "AAE adversarial, convolutions": {"model": "aae", "network": "conv", "units": (64,)},
    "AAE mmd": {"model": "aae", **_MMD},
    "AAE mmd, gaussian": {"model": "aae", "posterior": "gaussian", **_MMD},
    "LabelGuidedAAE adversarial": {
        "model": "label-guided", "labels": 500, "prior": "ring_mixture", "code_dim": 2,
    },
    "LabelGuidedAAE mmd": {
        "model": "label-guided", "labels": 500, "prior": "ring_mixture", "code_dim": 2, **_MMD,
    },
    "SupervisedAAE adversarial": {"model": "supervised"},
    "SupervisedAAE mmd": {"model": "supervised", **_MMD},
    "SemiSupervisedAAE adversarial": {"model": "semi-supervised", "labels": 100},
    "SemiSupervisedAAE mmd": {
        "model": "semi-supervised", "labels": 100, "class_divergence": "mmd", **_MMD,
    },
    "ClusteringAAE adversarial": {"model": "clustering"},
    "ClusteringAAE mmd": {"model": "clustering", "class_divergence": "mmd", **_MMD},
    "EmbeddingAAE adversarial": {"model": "embedding", "labels": 100},
    "EmbeddingAAE mmd": {"model": "embedding", "labels": 100, "class_divergence": "mmd", **_MMD},
    "VAE": {"model": "vae"},
    "GAN": {"model": "gan"},
    "GAN mmd": {"model": "gan", **_MMD},
    "GMMN": {"model": "gmmn"},
}  # fmt: skip


class Steps(keras.callbacks.Callback):
    """Keeps what each step logs, by itself, until there are enough."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.logs: list[dict[str, float]] = []
        self._steps = steps

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        # Else every log is the mean of the epoch so far.
        self.model.reset_metrics()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.logs.append({key: float(value) for key, value in logs.items()})
        self.model.stop_training = len(self.logs) == self._steps


def train(fields: dict[str, Any], strategy: Any, steps: int, scale: float = 1.0) -> Any:
    """Trains a recipe; returns what each step logged."""
    keras.utils.set_random_seed(0)
    used = {key: value for key, value in _GENTLE.items() if _is_used(key, fields)}
    recipe = make_recipe({**used, **fields, "epochs": 10**6})
    dataset = data.load(recipe.data, labels=recipe.labels, seed=recipe.seed)
    if scale != 1.0:
        dataset = dataclasses.replace(dataset, x_train=dataset.x_train * np.float32(scale))
    with strategy.scope():
        model = build_model(recipe, training_data(recipe, dataset))
    kept = Steps(steps)
    batches = training_batches(recipe, dataset, 0, 0)
    model.fit(batches, epochs=recipe.epochs, verbose=0, callbacks=[kept])
    return kept.logs


def _is_used(field: str, fields: dict[str, Any]) -> bool:
    without = {"vae": ("discriminator_units",), "gmmn": ("discriminator_units",)}
    if fields.get("divergence") == "mmd" and field == "discriminator_units":
        return False
    return field not in without.get(fields["model"], ())


def differences(one: Any, other: Any) -> tuple[np.ndarray, float, str]:
    """Gives the difference of the loss at each step, the largest of another term, and its name."""
    first, second = (
        {key: np.array([log[key] for log in logs]) for key in logs[0]} for logs in (one, other)
    )
    apart = {key: np.abs(first[key] - second[key]) for key in first}
    size = np.abs(first["loss"])
    # Terms of the classes are negative: their sum with the others passes through zero.
    loss = apart.pop("loss") / np.maximum(size, 0.1 * size.mean())
    terms = {
        key: float(np.max(values) / max(np.mean(np.abs(first[key])), 1e-6))
        for key, values in apart.items()
        # Counts and shares of rows: one row on the other side of a threshold is no rounding.
        if not key.endswith(("accuracy", "_updates"))
    }
    worst = max(terms, key=lambda key: terms[key])
    return loss, terms[worst], worst


def main() -> None:
    """Compares every case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    options = parser.parse_args()
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * options.replicas
    )
    devices = [f"CPU:{number}" for number in range(options.replicas)]
    mirrored = tf.distribute.MirroredStrategy(devices)
    alone = tf.distribute.get_strategy()
    print(f"{options.replicas} replicas, {options.steps} steps")
    print("| case | loss | above 1e-4 from step | worst other term | loss, inputs rounded | s |")
    print("|---|---|---|---|---|---|")
    for case in options.cases:
        started = time.monotonic()
        one = train(CASES[case], alone, options.steps)
        several = train(CASES[case], mirrored, options.steps)
        rounded = train(CASES[case], alone, options.steps, scale=1.0 - 1e-7)
        loss, term, name = differences(one, several)
        above = np.flatnonzero(loss > 1e-4)
        noise, _, _ = differences(one, rounded)
        print(
            f"| {case} | {loss.max():.1e} | {above[0] + 1 if above.size else 'none'} "
            f"| {term:.1e} {name} | {noise.max():.1e} | {time.monotonic() - started:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
