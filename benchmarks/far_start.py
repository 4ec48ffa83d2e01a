"""Codes that start 20 deviations from the prior: which divergence brings them there.

    python benchmarks/far_start.py [--steps 500] [--seeds 3]

An autoencoder of 20 columns and a two-dimensional Gaussian prior; the encoder's last bias puts the
codes 20 deviations away. Batches of 100, SGD and Adam, one learning rate, which falls
to zero, for all divergences; no
reconstruction, whose gradient is not the question. Prints the standardised MMD of 1,000 held-out
codes with the default kernel (2 is noise) and their largest mean and deviation, as Markdown.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from report import made_with, table

from aae_tf import AAE, mmd, networks, priors
from aae_tf.divergences import MMD

CosineDecay = keras.optimizers.schedules.CosineDecay

BATCH, COLUMNS, FAR = 100, 20, 20.0
PRIOR = priors.gaussian(2)
WIDE = mmd.default_kernel(PRIOR, (0.9, 0.7, 0.5, 0.25, 0.125, 0.03))
DIVERGENCES = {
    "energy": lambda: MMD(mmd.Energy(), weight=1.0),
    "mmd, default kernel": lambda: MMD(weight=10.0),
    "mmd, six scales": lambda: MMD(WIDE, weight=10.0),
    "mmd, standardised": lambda: MMD(standardized=True, weight=0.01),
}
OPTIMIZERS = {
    "SGD": lambda steps: keras.optimizers.SGD(CosineDecay(0.2, steps)),
    "Adam": lambda steps: keras.optimizers.Adam(CosineDecay(0.02, steps)),
}


def main() -> None:
    """Trains each, and prints a row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    rows = []
    for optimizer, make_optimizer in OPTIMIZERS.items():
        for name, make in DIVERGENCES.items():
            for seed in range(arguments.seeds):
                rng = np.random.default_rng(seed)
                x = rng.normal(size=(BATCH * arguments.steps, COLUMNS)).astype("float32")
                model = AAE(
                    networks.mlp_encoder((COLUMNS,), units=(64, 64), seed=2 * seed + 1),
                    networks.mlp_decoder((COLUMNS,), 2, units=(64,), seed=2 * seed + 2),
                    prior=PRIOR,
                    divergence=make(),
                    seed=seed,
                )
                bias = model.posterior.trainable_variables[-1]
                bias.assign(np.full(bias.shape, FAR, np.float32))
                model.compile(
                    make_optimizer(arguments.steps), guard=None, reconstruction_weight=0.0
                )
                model.fit(x, batch_size=BATCH, epochs=1, verbose=0)
                codes = model.encode(rng.normal(size=(1000, COLUMNS)).astype("float32"))
                match = mmd.standardized_mmd(codes, PRIOR, mmd.default_kernel(PRIOR))
                means = ", ".join(f"{value:.2f}" for value in codes.mean(axis=0))
                deviations = ", ".join(f"{value:.2f}" for value in codes.std(axis=0))
                rows.append([optimizer, name, str(seed), f"{float(match):.1f}", means, deviations])
    print(
        table(["optimizer", "divergence", "seed", "standardised MMD", "means", "deviations"], rows)
    )
    print("\n" + made_with())


if __name__ == "__main__":
    main()
