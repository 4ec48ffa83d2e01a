"""Trains under hostile settings, with the guard and in a plain loop without, and times the guard.

    TFDS_DATA_DIR=... python benchmarks/hostile.py [--seeds 20] [--variants AAE GAN ...]
    python benchmarks/hostile.py --cost [--rounds 9]

Hostile: SGD with momentum 0.9 at rate 0.1 for every player, half the sum of squares as the loss,
classes of MNIST 0-4 ten times as frequent as 5-9 under a uniform class prior, and every 200th
batch scaled by 1e4. A run has ended in NaN if a weight, or the loss of 1,000 held-out images, is
not finite. Each run goes to a file, and is not made again while it is there.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

import aae_tf
from aae_tf import data, networks, priors

CODE, CLASSES, PIXELS, EVERY, FACTOR = 8, 10, 784, 200, 1e4
Batches = Iterator[tuple[np.ndarray, np.ndarray]]


def _variants(units: tuple[int, ...], seed: int) -> dict[str, Callable[[], Any]]:
    def build(name: str, width: int = CODE, **kwargs: Any) -> Any:
        if name not in ("GAN", "GMMN"):
            kwargs["encoder"] = networks.mlp_encoder((PIXELS,), units, seed=seed + 1)
        decoder = networks.mlp_decoder((PIXELS,), width, units, seed=seed + 2)
        return getattr(aae_tf, name)(decoder=decoder, seed=seed, **kwargs)

    prior, style, both = priors.gaussian(CODE), priors.gaussian(CODE), CODE + CLASSES
    plane = priors.ring_mixture(CLASSES)
    return {
        "AAE": lambda: build("AAE", prior=prior),
        "LabelGuidedAAE": lambda: build("LabelGuidedAAE", 2, prior=plane, num_classes=CLASSES),
        "SupervisedAAE": lambda: build("SupervisedAAE", both, prior=prior, num_classes=CLASSES),
        "SemiSupervisedAAE": lambda: build(
            "SemiSupervisedAAE", both, style_prior=style, num_classes=CLASSES
        ),
        "ClusteringAAE": lambda: build(
            "ClusteringAAE", both, style_prior=style, num_clusters=CLASSES
        ),
        "EmbeddingAAE": lambda: build("EmbeddingAAE", style_prior=style, num_classes=CLASSES),
        "VAE": lambda: build("VAE", prior=prior),
        "GAN": lambda: build("GAN", prior=prior),
        "GMMN": lambda: build("GMMN", prior=prior),
    }


def _batches(seed: int, steps: int, size: int, every_label: bool) -> Batches:
    split = data.load("mnist", seed=0)
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


def _train_plainly(model: Any, batches: Batches) -> None:
    """Takes the same losses down as the package's joint step does, and nothing else."""
    sides = [(model._autoencoder, _optimizer()), (model._discriminators, _optimizer())]
    sides = [(player.variables, each) for player, each in sides if player is not None]
    for variables, optimizer in sides:
        optimizer.build(variables)

    @tf.function(autograph=False)
    def step(inputs: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> None:
        batch = model._unpack((inputs, labels), fitting=True)
        with tf.GradientTape(persistent=True) as tape:
            terms = model._measure(batch, seed, training=True)
            losses = [model._encoder_loss(batch, terms)]
            losses.append(model._discriminator_loss(terms.divergences))
        for (variables, optimizer), loss in zip(sides, losses, strict=False):
            optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)

    for inputs, labels in batches:
        seed = tf.cast(model.seed_generator.next(), tf.int32)
        step(tf.constant(inputs), tf.constant(labels), seed)


def run(variant: str, seed: int, guarded: bool, arguments: argparse.Namespace) -> dict[str, Any]:
    """Trains once, and tells how it ended."""
    keras.utils.clear_session()
    model = _variants(tuple(arguments.units), seed)[variant]()
    model.compile(_optimizer())
    batches = _batches(seed, arguments.steps, arguments.batch, model.labels == "all")
    skipped, error = 0.0, None
    if guarded:
        signature = (tf.TensorSpec([None, PIXELS]), tf.TensorSpec([None], tf.int32))
        stream = tf.data.Dataset.from_generator(lambda: batches, output_signature=signature)
        try:
            skipped = model.fit(stream, verbose=0).history["skipped_updates"][0]
        except FloatingPointError as stop:
            error = str(stop)
    else:
        _train_plainly(model, batches)
    held_out = data.load("mnist", seed=0)
    inputs, labels = held_out.x_validation[:1000], held_out.y_validation[:1000]
    logs = model.evaluate(inputs.reshape(-1, PIXELS), labels, verbose=0, return_dict=True)
    finite = all(np.isfinite(weight).all() for weight in model.get_weights())
    return {
        "nan": not (finite and np.isfinite(logs["loss"])),
        "loss": logs.get("reconstruction_loss", logs["loss"]),
        "skipped": skipped,
        "error": error,
    }


def compare(arguments: argparse.Namespace) -> None:
    """Makes the runs that are missing, and prints the table."""
    path = Path(arguments.out)
    settings = f"{arguments.steps} steps of {arguments.batch}, units {arguments.units}"
    runs = json.loads(path.read_text()) if path.exists() else {}
    print(f"{settings}, {arguments.seeds} seeds\n")
    print("| variant | plain loop: NaN | guarded: NaN | stopped | skipped | loss, median |")
    print("|---|---|---|---|---|---|", flush=True)
    for variant in arguments.variants or _variants((1,), 0):
        for seed in range(arguments.seeds):
            for guarded in (False, True):
                key = f"{variant}, seed {seed}, guarded {guarded}, {settings}"
                if key not in runs:
                    runs[key] = run(variant, seed, guarded, arguments)
                    path.write_text(json.dumps(runs, indent=1))
        plain, kept = (
            [
                runs[f"{variant}, seed {seed}, guarded {guarded}, {settings}"]
                for seed in range(arguments.seeds)
            ]
            for guarded in (False, True)
        )
        print(
            f"| {variant} | {sum(r['nan'] for r in plain)} | {sum(r['nan'] for r in kept)} "
            f"| {sum(r['error'] is not None for r in kept)} "
            f"| {np.mean([r['skipped'] for r in kept]):.1f} "
            f"| {np.median([r['loss'] for r in kept]):.1f} |",
            flush=True,
        )


def measure_cost(arguments: argparse.Namespace) -> None:
    """Times a step with and without the guard, interleaved, and prints the medians."""
    inputs = np.random.default_rng(0).random((100 * arguments.steps, PIXELS), dtype="float32")
    print("| optimizer | plain, ms | guarded, ms | guarded / plain, median of rounds |")
    print("|---|---|---|---|")
    for name, make in {"Adam": keras.optimizers.Adam, "SGD": keras.optimizers.SGD}.items():
        models = {}
        for guard in (None, True):
            models[guard] = _variants((1000, 1000), 0)["AAE"]()
            models[guard].compile(make(1e-4), guard=guard, steps_per_execution=10)
        times: dict[Any, list[float]] = {guard: [] for guard in models}
        for number in range(arguments.rounds + 1):
            # Whoever goes second finds warmer caches: take turns.
            for guard in sorted(models, key=bool, reverse=bool(number % 2)):
                start = time.perf_counter()
                models[guard].fit(inputs, batch_size=100, verbose=0, shuffle=False)
                if number:
                    times[guard].append(1e3 * (time.perf_counter() - start) / arguments.steps)
        plain, guarded = np.array(times[None]), np.array(times[True])
        print(
            f"| {name} | {np.median(plain):.1f} | {np.median(guarded):.1f} "
            f"| {np.median(guarded / plain):.3f} |",
            flush=True,
        )


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--units", type=int, nargs="+", default=[1000, 1000])
    parser.add_argument("--variants", nargs="+", choices=list(_variants((1,), 0)))
    parser.add_argument("--out", default=Path(__file__).with_name("hostile.json"))
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    (measure_cost if arguments.cost else compare)(arguments)


if __name__ == "__main__":
    main()
