"""Divergences side by side: how well codes follow their prior, and at what price.

    TFDS_DATA_DIR=... python benchmarks/divergences.py [--data mnist] [--priors ring ...]
        [--divergences adversarial ...] [--batches 100 1000] [--seeds 3] [--steps 500]
        [--units 128]

Trains the same networks on the same number of batches with each divergence, at its default weight
but for the standardised MMD, and measures codes of 2,000 held-out rows by what none of them
lowers. A cell that benchmarks/divergences.json has is not trained again, so that a run which was
ended goes on where it was. Prints the table of docs/choosing_a_divergence.md, means over the seeds.
`--data digits` is the quick mode, on scikit-learn's images of 8 x 8.

| figure | what it is |
|---|---|
| `c2st` | accuracy of a new classifier of codes and samples of the prior; 0.5: no difference |
| `precision` ... `coverage` | `evaluation.prdc` of the codes among samples of the prior |
| `ks` | Kolmogorov-Smirnov distance of the log densities of codes and of samples |
| `p_value` | of `mmd.goodness_of_fit` of 200 codes, a Matern kernel of the median width |
| `low`, `high` | least and largest deviation of a coordinate, of the prior's |
| `error` | half the squared error of held-out rows, summed over pixels |
| `milliseconds` | processor time of a step, one thread |
| `skipped` | updates that the guard rejected |
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from report import TRAINING, made_with, table
from run_file import RunFile
from scipy import stats
from sklearn.neural_network import MLPClassifier

from aae_tf import AAE, data, evaluation, mmd, networks, priors
from aae_tf.divergences import MMD

TRAIN, HELD_OUT, TRACED, FEW = 10_000, 2_000, 20, 200
PRIORS = {
    "ring": lambda: priors.ring_mixture(10),
    "gaussian_8": lambda: priors.gaussian(8, scale=5.0),
    "swiss_roll": lambda: priors.swiss_roll(10),
    "gaussian_64": lambda: priors.gaussian(64),
}
_SCALES = (0.9, 0.7, 0.5, 0.25, 0.125, 0.03)
DIVERGENCES = {
    "adversarial": lambda prior: "adversarial",
    "mmd": lambda prior: "mmd",
    "mmd_six_scales": lambda prior: MMD(mmd.default_kernel(prior, _SCALES)),
    # The unit of its values is the noise of a batch, of which 100 would be far too much.
    "mmd_standardized": lambda prior: MMD(standardized=True, weight=1.0),
    "energy": lambda prior: "energy",
    "sliced": lambda prior: "sliced",
    "sliced_wasserstein": lambda prior: "sliced_wasserstein",
}
SHOWN = ("c2st", "precision", "recall", "density", "coverage", "ks", "error", "milliseconds")


def train_and_measure(
    name: str,
    prior_name: str,
    batch: int,
    seed: int,
    steps: int,
    units: int,
    images: data.Dataset,
) -> dict[str, float]:
    """Trains one model, and gives its figures."""
    x, held_out = images.x_train[:TRAIN], images.x_test[:HELD_OUT]
    prior = PRIORS[prior_name]()
    width = prior.event_shape[0]
    model = AAE(
        networks.mlp_encoder(x.shape[1:], units=(units, units), seed=2 * seed + 1),
        networks.mlp_decoder(x.shape[1:], width, units=(units, units), seed=2 * seed + 2),
        prior=prior,
        divergence=DIVERGENCES[name](prior),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(1e-3), discriminator_optimizer=keras.optimizers.Adam(1e-4))
    rows = tf.data.Dataset.from_tensor_slices(x).shuffle(len(x), seed=seed).repeat().batch(batch)
    history = model.fit(rows, steps_per_epoch=TRACED, verbose=0)
    start = time.process_time()
    further = model.fit(rows, steps_per_epoch=steps - TRACED, verbose=0)
    seconds = time.process_time() - start
    skipped = sum(run.history["skipped_updates"][0] for run in (history, further))

    # Without a graph, whose tracing takes longer than the values.
    code_tensors = model.complete_codes(tf.constant(held_out))
    codes = code_tensors["latents"].numpy()
    outputs = model.decode_codes(code_tensors).numpy()
    samples = np.asarray(prior.sample(len(codes), seed=[seed, 7]), "float32")
    errors = 0.5 * np.square(outputs - held_out).sum(axis=(1, 2, 3))
    densities = [np.asarray(prior.log_prob(rows)) for rows in (codes, samples)]
    width_of_kernel = float(mmd.median_kernel(samples[:FEW]).length_scale)
    kernel = tfp.math.psd_kernels.MaternThreeHalves(length_scale=np.float32(width_of_kernel))
    deviations = codes.std(axis=0) / np.asarray(prior.stddev())
    return {
        "c2st": two_sample_accuracy(codes, samples, seed),
        **evaluation.prdc(samples, codes),
        "ks": float(stats.ks_2samp(*densities).statistic),
        "p_value": float(mmd.goodness_of_fit(codes[:FEW], prior, kernel).p_value),
        "low": float(deviations.min()),
        "high": float(deviations.max()),
        "error": float(errors.mean()),
        "milliseconds": 1e3 * seconds / (steps - TRACED),
        "skipped": float(skipped),
    }


def two_sample_accuracy(codes: np.ndarray, samples: np.ndarray, seed: int) -> float:
    """Gives the accuracy of a classifier on rows that it was not trained on, each half in turn."""
    both = np.concatenate([codes, samples])
    both = (both - samples.mean(axis=0)) / samples.std(axis=0)
    labels = np.repeat([0, 1], [len(codes), len(samples)])
    order = np.random.default_rng(seed).permutation(len(both))
    halves = order[::2], order[1::2]
    right = []
    for train, test in (halves, halves[::-1]):
        classifier = MLPClassifier((64, 64), alpha=1e-2, max_iter=60, random_state=seed)
        right.append(classifier.fit(both[train], labels[train]).score(both[test], labels[test]))
    return float(np.mean(right))


def main() -> None:
    """Trains what is missing, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="mnist", choices=("mnist", "digits"))
    parser.add_argument("--priors", nargs="+", default=list(PRIORS), choices=PRIORS)
    parser.add_argument("--divergences", nargs="+", default=list(DIVERGENCES), choices=DIVERGENCES)
    parser.add_argument("--batches", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--units", type=int, default=128, help="of the two hidden layers")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--table", action="store_true", help="trains nothing")
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    runs = RunFile(
        arguments.out, {key: getattr(arguments, key) for key in ("data", "steps", "units")}
    )
    images = None if arguments.table else data.load(arguments.data)
    for batch in arguments.batches:
        for seed in range(arguments.seeds):
            for prior in arguments.priors:
                for name in arguments.divergences:
                    mark = {"divergence": name, "prior": prior, "batch": batch, "seed": seed}
                    if images is None or runs.find(**mark):
                        continue
                    figures = train_and_measure(
                        name, prior, batch, seed, arguments.steps, arguments.units, images
                    )
                    rounded = {key: float(f"{value:.4g}") for key, value in figures.items()}
                    runs.add(mark, rounded)
                    print(mark, rounded, flush=True)
                    keras.backend.clear_session()
    print(report(runs, arguments) + "\n\n" + made_with(*TRAINING))


def report(runs: RunFile, arguments: argparse.Namespace) -> str:
    """Gives the tables, one for each prior and size of batches."""
    parts = []
    for batch in arguments.batches:
        for prior in arguments.priors:
            rows = []
            for name in arguments.divergences:
                found = runs.find(divergence=name, prior=prior, batch=batch)
                if not found:
                    continue
                means = {key: np.mean([run[key] for run in found]) for key in SHOWN}
                low, high = min(x["low"] for x in found), max(x["high"] for x in found)
                skipping = sum(run["skipped"] > 0 for run in found)
                row = [name, *(f"{value:.3g}" for value in means.values())]
                rows.append([*row, f"{low:.2f} to {high:.2f}", str(skipping), str(len(found))])
            head = ["divergence", *SHOWN, "deviations", "runs with skips", "seeds"]
            parts.append(f"{prior}, batches of {batch}\n\n{table(head, rows)}")
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
