"""Holds one checkout of this package against another: the numbers of trainings, and their times.

    python benchmarks/checkouts.py numbers OLD NEW
    python benchmarks/checkouts.py times OLD NEW

OLD and NEW are folders of checkouts. `numbers` trains each of the nine models for 50 seeded steps
with both, guarded, in both schedules, with a fixed and an adaptive balance, and some on two
replicas, and prints the largest relative difference of logs, weights and exported signatures.
`times` measures the processor time of a step in interleaved rounds.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Rows of the conformance table: every model, with either divergence.
ROWS = [
    "AAE gaussian adversarial", "AAE gaussian mmd", "LabelGuidedAAE adversarial",
    "SupervisedAAE adversarial within classes", "SemiSupervisedAAE adversarial adversarial",
    "ClusteringAAE mmd adversarial", "EmbeddingAAE adversarial mmd", "VAE kl", "GAN adversarial",
    "GMMN mmd",
]  # fmt: skip
REPLICA_CASES = ["alternating game", "labels of a game", "few labels", "posteriors"]


def record(folder: Path) -> None:
    """Trains the rows with the checkout that is imported; writes its numbers to `folder`."""
    import keras
    import numpy as np
    import tensorflow as tf

    from aae_tf import models
    from tests.models import rows

    # Graphs of few steps cost more to rewrite than to run.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    numbers: dict[str, np.ndarray] = {}
    for name in ROWS:
        build, labels = rows.MODELS[name]
        for schedule in build().schedules:
            for balance in ("fixed", "adaptive") if "adversarial" in name else ("fixed",):
                case = f"{name}, {schedule}, {balance}"
                model = build()
                model.compile(keras.optimizers.Adam(1e-3), schedule=schedule, balance=balance)
                steps: list[list[float]] = []
                callback = keras.callbacks.LambdaCallback(
                    on_train_batch_end=lambda batch, logs, steps=steps: steps.append(
                        [float(logs[key]) for key in sorted(logs)]
                    )
                )
                options = {"batch_size": 8, "shuffle": False, "verbose": 0}
                model.fit(rows.IMAGES, labels, epochs=10, callbacks=[callback], **options)
                numbers[f"{case}: logs"] = np.array(steps)
                weights = [np.ravel(weight) for weight in model.get_weights()]
                numbers[f"{case}: weights"] = np.concatenate(weights).astype(np.float64)
                numbers[f"{case}: samples"] = model.sample(8, seed=1)
                if isinstance(model, models.BaseAAE):
                    numbers[f"{case}: reconstructions"] = model.reconstruct(rows.IMAGES)
        with tempfile.TemporaryDirectory() as temporary:
            path = str(Path(temporary, "1"))
            model.export(path, verbose=False)
            signatures = tf.saved_model.load(path).signatures
            values = {"inputs": tf.constant(rows.IMAGES), "seed": tf.range(40, dtype=tf.int64)}
            values["label"] = tf.constant(np.arange(40) % 4 - 1, tf.int64)
            values["latents"] = tf.random.stateless_normal([40, 2], [0, 1])
            values["class_probabilities"] = tf.one_hot(np.arange(40) % 3, 3)
            for signature, function in signatures.items():
                takes = function.structured_input_signature[1]
                outputs = function(**{key: values[key] for key in takes})
                for key, output in outputs.items():
                    numbers[f"{name}, export: {signature} {key}"] = output.numpy()
        print(name, file=sys.stderr, flush=True)
    np.savez(folder / "numbers.npz", **numbers)


def time_steps(steps: int) -> None:
    """Answers each line of standard input with the processor seconds of `steps` steps of it."""
    import keras
    import numpy as np

    from aae_tf import AAE, data, networks, priors

    images = np.random.default_rng(0).random((100, 28, 28, 1), dtype="float32")
    functions = {}
    for schedule in ("joint", "alternating"):
        model = AAE(
            networks.mlp_encoder((28, 28, 1), units=(1000, 1000), seed=1),
            networks.mlp_decoder((28, 28, 1), code_dim=8, units=(1000, 1000), seed=2),
            prior=priors.gaussian(8),
            seed=0,
        )
        model.compile(keras.optimizers.Adam(1e-4), schedule=schedule)
        model.make_train_function()
        batches = iter(data.shuffled_batches(images, batch_size=100, seed=0).repeat())
        for _ in range(20):
            model.train_function(batches)
        functions[schedule] = (model.train_function, batches)
    print("ready", flush=True)
    for line in sys.stdin:
        function, batches = functions[line.strip()]
        start = time.process_time()
        for _ in range(steps):
            logs = function(batches)
        float(logs["loss"])
        print(time.process_time() - start, flush=True)


def run_with(checkout: Path, *command: str, **kwargs) -> subprocess.Popen:
    """Starts a command with a checkout's package on the path, and one thread for each operation."""
    environment = {"PYTHONPATH": os.fspath(checkout), "TF_CPP_MIN_LOG_LEVEL": "2"}
    environment |= {"TF_NUM_INTRAOP_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *command], env={**os.environ, **environment}, cwd=checkout, **kwargs
    )


def compare_numbers(old: Path, new: Path) -> None:
    """Prints the largest relative difference of each model, and fails above 1e-6."""
    import numpy as np

    script = os.fspath(Path(__file__).resolve())
    found, replicated = [], []
    for checkout in (old, new):
        folder = Path(tempfile.mkdtemp())
        if run_with(checkout, script, "record", os.fspath(folder)).wait():
            raise SystemExit(f"{checkout}: the trainings failed")
        found.append(dict(np.load(folder / "numbers.npz")))
        # Its folder has changed from version to version.
        (trainings,) = checkout.glob("tests/*/replica_trainings.py")
        replicas = run_with(checkout, os.fspath(trainings), *REPLICA_CASES, stdout=subprocess.PIPE)
        replicated.append(json.loads(replicas.communicate()[0]))
    before, after = found
    for case in REPLICA_CASES:
        for numbers, trainings in zip(found, replicated, strict=True):
            for kind in ("history", "evaluate"):
                logs = trainings[case]["several"][kind]
                values = [np.ravel(logs[key]) for key in sorted(logs)]
                numbers[f"two replicas, {case}: {kind}"] = np.concatenate(values)
    missing = before.keys() ^ after.keys()
    worst: dict[str, float] = {}
    for key in before.keys() & after.keys():
        scale = np.abs(before[key]).max()
        apart = float(np.max(np.abs(before[key] - after[key])) / max(scale, 1e-30))
        model = key.split(",")[0]
        worst[model] = max(worst.get(model, 0.0), apart if apart == apart else np.inf)
    for model, apart in sorted(worst.items()):
        print(f"{model:45} {apart:.1e}")
    print(f"{len(before)} arrays; of one checkout alone: {sorted(missing) or 'none'}")
    if missing or max(worst.values()) > 1e-6:
        raise SystemExit("the numbers differ")


def compare_times(old: Path, new: Path, rounds: int, steps: int) -> None:
    """Prints the quartiles of the ratio of processor times, new over old, of each schedule."""
    import numpy as np

    script = os.fspath(Path(__file__).resolve())
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = (script, "steps", "--steps", str(steps))
    workers = [run_with(folder, *command, **pipes) for folder in (old, new)]
    for worker in workers:
        worker.stdout.readline()
    for schedule in ("joint", "alternating"):
        ratios = []
        for number in range(rounds):
            seconds = [0.0, 0.0]
            for which in (0, 1) if number % 2 else (1, 0):
                workers[which].stdin.write(f"{schedule}\n")
                workers[which].stdin.flush()
                seconds[which] = float(workers[which].stdout.readline())
            ratios.append(seconds[1] / seconds[0])
        quartiles = " ".join(f"{each:.3f}" for each in np.quantile(ratios, [0.25, 0.5, 0.75]))
        print(
            f"{schedule:12} new / old, quartiles of {rounds} rounds of {steps} steps: {quartiles}"
        )
    for worker in workers:
        worker.stdin.close()
        worker.wait()


def main() -> None:
    """Runs what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["numbers", "times", "record", "steps"])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    folders = [folder.resolve() for folder in arguments.folders]
    if arguments.what == "record":
        record(*folders)
    elif arguments.what == "steps":
        time_steps(arguments.steps)
    elif arguments.what == "numbers":
        compare_numbers(*folders)
    else:
        compare_times(*folders, rounds=arguments.rounds, steps=arguments.steps)


if __name__ == "__main__":
    main()
