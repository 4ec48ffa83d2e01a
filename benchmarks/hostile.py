"""Trains under hostile settings, with the guard and in a plain loop without; writes HOSTILE.md.

    TFDS_DATA_DIR=... python benchmarks/hostile.py [--seeds 20] [--variants AAE GAN ...]
    TFDS_DATA_DIR=... python benchmarks/hostile.py --check [--steps 10]
    python benchmarks/hostile.py --cost [--rounds 9]

Hostile: SGD with momentum 0.9 at rate 0.1 for every player, half the sum of squares as the loss,
classes of MNIST 0-4 ten times as frequent as 5-9 under a uniform class prior, and every 200th
batch scaled by 1e4. A run has ended in NaN if a weight, or the loss of 1,000 held-out images, is
not finite. Each run goes to hostile.json, and is not made again while it is there.

All seeds of a variant go through one compiled function: what training moves is set to the state of
a new model in between. `--check` compares that with the new model itself.
"""

import argparse
import functools
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from fit_times import FitTimes, cost_table, use_one_thread
from report import TRAINING, made_with
from run_file import RunFile

import aae_tf
from aae_tf import data, divergences, networks, priors
from aae_tf.models import Batch

CODE, CLASSES, PIXELS, EVERY, FACTOR = 8, 10, 784, 200, 1e4
RESULTS = Path(__file__).with_name("HOSTILE.md")
Batches = Iterator[tuple[np.ndarray, np.ndarray]]


def _variants(units: Sequence[int], seed: int) -> dict[str, Callable[[], Any]]:
    """Gives what builds each variant with networks of `units`, discriminators included."""

    def build(name: str, width: int = CODE, **kwargs: Any) -> Any:
        if name not in ("GAN", "GMMN"):
            kwargs["encoder"] = networks.mlp_encoder((PIXELS,), units, seed=seed + 1)
        decoder = networks.mlp_decoder((PIXELS,), width, units, seed=seed + 2)
        return getattr(aae_tf, name)(decoder=decoder, seed=seed, **kwargs)

    def game(width: int) -> divergences.Adversarial:
        return divergences.Adversarial(
            networks.mlp_discriminator(width, units, seed=seed + 3), weight=1.0
        )

    def build_classes(name: str, width: int = CODE, **kwargs: Any) -> Any:
        games = {"style_divergence": game(CODE), "class_divergence": game(CLASSES)}
        return build(name, width, style_prior=priors.gaussian(CODE), **games, **kwargs)

    # Made when they are used: whoever asks for names alone has not started TensorFlow.
    prior = functools.partial(priors.gaussian, CODE)
    plane = functools.partial(priors.ring_mixture, CLASSES)
    both, guided = CODE + CLASSES, 2 + CLASSES + 1
    return {
        "AAE": lambda: build("AAE", prior=prior(), divergence=game(CODE)),
        "LabelGuidedAAE": lambda: build(
            "LabelGuidedAAE", 2, prior=plane(), num_classes=CLASSES, divergence=game(guided)
        ),
        "SupervisedAAE": lambda: build(
            "SupervisedAAE", both, prior=prior(), num_classes=CLASSES, divergence=game(CODE)
        ),
        "SemiSupervisedAAE": lambda: build_classes("SemiSupervisedAAE", both, num_classes=CLASSES),
        "ClusteringAAE": lambda: build_classes("ClusteringAAE", both, num_clusters=CLASSES),
        "EmbeddingAAE": lambda: build_classes("EmbeddingAAE", num_clusters=CLASSES),
        "VAE": lambda: build("VAE", prior=prior()),
        "GAN": lambda: build("GAN", prior=prior(), divergence=game(PIXELS)),
        "GMMN": lambda: build("GMMN", prior=prior()),
    }


@functools.cache
def _digits() -> data.Dataset:
    return data.load("mnist", seed=0)


def _batches(seed: int, steps: int, size: int, every_label: bool) -> Batches:
    split = _digits()
    inputs, labels = split.x_train.reshape(-1, PIXELS), split.y_train
    generator = np.random.default_rng(seed)
    chance = np.where(labels < CLASSES // 2, 10.0, 1.0)
    chance /= chance.sum()
    for step in range(1, steps + 1):
        rows = generator.choice(len(inputs), size, p=chance)
        known = every_label | (generator.random(size) < 0.2)
        scale = FACTOR if step % EVERY == 0 else 1.0
        yield (
            np.float32(inputs[rows] * scale),
            np.where(known, labels[rows], -1).astype(np.int32),
        )


def _optimizer() -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(0.1, momentum=0.9)


class Trainer:
    """One model of a variant, whose compiled steps serve all seeds.

    Args:
        variant: name of the class.
        units: of all networks.
        guarded: whether `fit` trains with the default guard, or a plain loop without.
        seed: of the first model.
    """

    def __init__(self, variant: str, units: Sequence[int], guarded: bool, seed: int = 0) -> None:
        self._variant, self._units, self._guarded = variant, units, guarded
        self.model, self._sides = self._build(seed)
        self._step = None if guarded else self._plain_step()

    def restart(self, seed: int) -> None:
        """Sets all that training moves to the state of a new model."""
        model, sides = self._build(seed)
        old, new = self._state(self.model, self._sides), self._state(model, sides)
        for variable, other in zip(old, new, strict=True):
            variable.assign(other)
        if self.model.trainer.monitor is not None:
            self.model.trainer.monitor.reset()

    def train(self, batches: Batches) -> dict[str, Any]:
        """Trains, and tells what became of the updates."""
        if self._guarded:
            signature = (tf.TensorSpec([None, PIXELS]), tf.TensorSpec([None], tf.int32))
            stream = tf.data.Dataset.from_generator(lambda: batches, output_signature=signature)
            try:
                logs = self.model.fit(stream, verbose=0).history
            except FloatingPointError as stop:
                return {"stopped": str(stop)}
            return {key: logs[key][0] for key in ("skipped_updates", "shortened_updates")}
        for number, (inputs, labels) in enumerate(batches, 1):
            seed = tf.cast(self.model.seed_generator.next(), tf.int32)
            loss = self._step(tf.constant(inputs), tf.constant(labels), seed)
            if not (np.isfinite(loss.numpy()) or self._is_finite()):
                # No later step can mend the weights.
                return {"first_nan": number}
        return {}

    def judge(self) -> dict[str, Any]:
        """Looks at the weights, and measures the loss of held-out images."""
        split = _digits()
        inputs, labels = split.x_validation[:1000].reshape(-1, PIXELS), split.y_validation[:1000]
        logs = self.model.evaluate(inputs, labels, verbose=0, return_dict=True)
        key = "reconstruction_loss" if "reconstruction_loss" in logs else "loss"
        return {"nan": not (self._is_finite() and np.isfinite(logs["loss"])), "loss": logs[key]}

    def _is_finite(self) -> bool:
        return all(np.isfinite(weight).all() for weight in self.model.get_weights())

    def _build(self, seed: int) -> tuple[Any, list[tuple[list[Any], Any]]]:
        """Gives a model, and, for the plain loop, variables and optimizer of each side."""
        model = _variants(self._units, seed)[self._variant]()
        model.compile(_optimizer(), guard=self._guarded)
        trainer = model.trainer
        updaters = [] if self._guarded else [trainer.autoencoder, trainer.discriminators]
        sides = [(updater.variables, _optimizer()) for updater in updaters if updater is not None]
        for variables, optimizer in sides:
            optimizer.build(variables)
        return model, sides

    @staticmethod
    def _state(model: Any, sides: list[tuple[list[Any], Any]]) -> list[Any]:
        optimizers = [model.optimizer, model.discriminator_optimizer, *(each for _, each in sides)]
        return [
            *model.variables,
            *(v for each in optimizers if each is not None for v in each.variables),
            *model.trainer.state_variables,
        ]

    def _plain_step(self) -> Callable[..., tf.Tensor]:
        """Takes the same losses down as the package's joint step does, and nothing else."""
        model, sides = self.model, self._sides
        objective = model.trainer.objective

        @tf.function(autograph=False)
        def step(inputs: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
            batch = Batch(inputs, None if model.labels == "none" else labels, None)
            code_seed, divergence_seed = tf.unstack(tf.random.split(seed, 2))
            with tf.GradientTape(persistent=True) as tape:
                codes = model.sample_codes(batch, code_seed, training=True)
                terms = objective.measure(batch, codes, divergence_seed, training=True)
                losses = [objective.encoder_loss(batch, terms)]
                losses.append(objective.discriminator_loss(terms.divergences))
            gradients = [
                tape.gradient(loss, [v.value for v in variables])
                for (variables, _), loss in zip(sides, losses, strict=False)
            ]
            for (variables, optimizer), each in zip(sides, gradients, strict=True):
                optimizer.apply(each, variables)
            return tf.add_n(losses)

        return step


def run(trainer: Trainer, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Trains once, and tells how it ended."""
    start = time.perf_counter()
    every_label = trainer.model.labels == "all"
    course = trainer.train(_batches(seed, arguments.steps, arguments.batch, every_label))
    return {**course, **trainer.judge(), "seconds": round(time.perf_counter() - start, 1)}


def compare(arguments: argparse.Namespace) -> None:
    """Makes the runs that are missing, and writes the table."""
    setting = {key: getattr(arguments, key) for key in ("steps", "batch", "units")}
    runs = RunFile(arguments.out, setting)
    trainers: dict[tuple[str, bool], Trainer] = {}
    for seed in range(arguments.seeds):
        start = time.perf_counter()
        for key in itertools.product(arguments.variants or _variants((1,), 0), (False, True)):
            mark = {"variant": key[0], "guarded": key[1], "seed": seed}
            if runs.find(**mark):
                continue
            if key not in trainers:
                trainers[key] = Trainer(key[0], arguments.units, key[1])
            trainers[key].restart(seed)
            runs.add(mark, run(trainers[key], seed, arguments))
        print(f"seed {seed}: {time.perf_counter() - start:.0f} s", flush=True)
    write_table(runs, arguments)


def write_table(runs: RunFile, arguments: argparse.Namespace) -> None:
    """Writes HOSTILE.md from the runs of one setting."""
    lines = []
    for variant in _variants((1,), 0):
        plain, kept = (runs.find(variant=variant, guarded=guarded) for guarded in (False, True))
        if plain and kept:
            lines.append(_line(variant, plain, kept))
    units = "-".join(map(str, arguments.units))
    RESULTS.write_text(
        f"""# Hostile settings

Written by `TFDS_DATA_DIR=... python benchmarks/hostile.py` from hostile.json. MNIST,
{arguments.steps} steps of {arguments.batch}; encoder, decoder and discriminators with hidden layers
{units}; SGD at rate 0.1 with momentum 0.9 for every player, half the sum of squares as the loss,
digits 0-4 ten times as frequent as 5-9 under a uniform class prior, every {EVERY}th batch scaled by
1e4. GAN and GMMN have no reconstruction; the rest of the setting is the same.

A run ended in NaN if a weight, or the loss of 1,000 held-out images, is not finite. The plain
loop lowers the same losses, of the same weights on the same batches, without the guard; it is left
where a weight is no longer finite. "Stopped" are runs that `fit` ended with a `FloatingPointError`.
Loss: the median over the runs that are finite, of the reconstruction in nats or, where there is
none, of all.

| variant | runs | plain loop: ended in NaN | its first NaN, step, median | guarded: ended in NaN \
| stopped | skipped updates, mean | shortened steps, mean | loss, guarded | loss, plain |
|---|---|---|---|---|---|---|---|---|---|
{chr(10).join(lines)}

A loss that is finite is not a good one: see docs/training.md, "Hostile settings".

{made_with(*TRAINING)}
"""
    )
    print(RESULTS.read_text())


def _line(variant: str, plain: list[dict[str, Any]], kept: list[dict[str, Any]]) -> str:
    def median(values: list[float], digits: int) -> str:
        return f"{np.median(values):.{digits}f}" if values else "-"

    def mean(key: str) -> str:
        values = [r[key] for r in kept if key in r]
        return f"{np.mean(values):.1f}" if values else "-"

    runs = str(len(kept)) if len(plain) == len(kept) else f"{len(plain)}, {len(kept)}"
    losses = [median([r["loss"] for r in some if not r["nan"]], 1) for some in (kept, plain)]
    cells = [
        variant,
        runs,
        str(sum(r["nan"] for r in plain)),
        median([r["first_nan"] for r in plain if "first_nan" in r], 0),
        str(sum(r["nan"] for r in kept)),
        str(sum("stopped" in r for r in kept)),
        mean("skipped_updates"),
        mean("shortened_updates"),
        *losses,
    ]
    return "| " + " | ".join(cells) + " |"


def check(arguments: argparse.Namespace) -> None:
    """Trains seed 1 after seed 0 in one model, and in a new one; raises where they differ."""
    for variant in arguments.variants or _variants((1,), 0):
        for guarded in (False, True):
            used = Trainer(variant, arguments.units, guarded, seed=0)
            run(used, 0, arguments)
            used.restart(1)
            trainers = [used, Trainer(variant, arguments.units, guarded, seed=1)]
            logs = [run(each, 1, arguments) for each in trainers]
            weights = [each.model.get_weights() for each in trainers]
            for a, b in zip(*weights, strict=True):
                np.testing.assert_array_equal(a, b, err_msg=variant)
            if not np.array_equal(logs[0]["loss"], logs[1]["loss"], equal_nan=True):
                raise AssertionError(f"{variant}: {logs[0]} is not {logs[1]}")
            print(f"{variant}, guarded {guarded}: bit for bit the same", flush=True)


def measure_cost(rounds: int, steps: int = 50) -> None:
    """Times steps with and without the guard, interleaved, and prints the medians."""
    inputs = np.random.default_rng(0).random((100 * steps, PIXELS), dtype="float32")
    rows = []
    for name, make in {"Adam": keras.optimizers.Adam, "SGD": keras.optimizers.SGD}.items():
        models = {}
        for way, guard in (("plain", None), ("guarded", True)):
            models[way] = _variants((1000, 1000), 0)["AAE"]()
            models[way].compile(make(1e-4), guard=guard, steps_per_execution=10)
        times = FitTimes(models, inputs, 100, rounds)
        rows.append(times.cells(name, "plain", "guarded"))
    print(cost_table("optimizer", "plain", "guarded", rows))


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--units", type=int, nargs="+", default=[300, 300])
    parser.add_argument("--variants", nargs="+", choices=list(_variants((1,), 0)))
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("hostile.json"))
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    if arguments.cost:
        use_one_thread()
        measure_cost(arguments.rounds)
        return
    chosen = check if arguments.check else compare
    chosen(arguments)


if __name__ == "__main__":
    main()
