"""Trains README's ten lines with default settings on three kinds of data, and says what they give.

    TFDS_DATA_DIR=... python benchmarks/default_settings.py [mnist crops breast_cancer] [--seeds 3]

Each line of the table: the standardised MMD of at most 1,000 held-out codes under the default
kernel (2 is noise; it grows with the number of codes), their deviations, and the reconstruction
error of held-out rows beside that of a plain autoencoder: the same networks and optimizer under a
divergence of weight 0.
"""

import argparse
import math
import time

import keras
import numpy as np

from aae_tf import AAE, data, divergences, mmd, networks, priors

CODE, UNITS, ROWS = 8, (256, 256), 1000
DIVERGENCES = {
    "none": lambda: divergences.MMD(weight=0.0),
    "adversarial": lambda: "adversarial",
    "mmd": lambda: "mmd",
}


def mnist() -> tuple[np.ndarray, np.ndarray, str]:
    """10,000 images to train on, of 60,000."""
    images = data.load("mnist")
    return images.x_train[:10_000], images.x_test[:ROWS], "sigmoid"


def crops() -> tuple[np.ndarray, np.ndarray, str]:
    """1,000 crops of 64x64x3 of scikit-learn's two sample photographs, and 1,000 others."""
    from sklearn.datasets import load_sample_images

    random, photographs = np.random.default_rng(0), load_sample_images().images
    images = []
    for _ in range(2 * ROWS):
        photograph = photographs[random.integers(len(photographs))]
        top, left = (random.integers(side - 63) for side in photograph.shape[:2])
        images.append(photograph[top : top + 64, left : left + 64] / np.float32(255))
    return np.stack(images[:ROWS]), np.stack(images[ROWS:]), "sigmoid"


def breast_cancer() -> tuple[np.ndarray, np.ndarray, str]:
    """400 rows of 30 standardised columns, and the other 169."""
    from sklearn.datasets import load_breast_cancer

    x = np.random.default_rng(0).permutation(load_breast_cancer().data)
    x = ((x - x[:400].mean(axis=0)) / x[:400].std(axis=0)).astype("float32")
    return x[:400], x[400:], "linear"


KINDS = {"mnist": mnist, "crops": crops, "breast_cancer": breast_cancer}


def measure(kind: str, divergence: str, seed: int, epochs: int) -> dict[str, float]:
    """Trains one model and measures its held-out codes and reconstructions."""
    x, held_out, activation = KINDS[kind]()
    shape, prior = x.shape[1:], priors.gaussian(CODE)
    keras.utils.set_random_seed(seed)
    model = AAE(
        networks.mlp_encoder(shape, units=UNITS, seed=2 * seed + 1),
        networks.mlp_decoder(
            shape, CODE, units=UNITS, output_activation=activation, seed=2 * seed + 2
        ),
        prior=prior,
        divergence=DIVERGENCES[divergence](),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(1e-3), discriminator_optimizer=keras.optimizers.Adam(1e-4))
    start = time.perf_counter()
    model.fit(x, epochs=epochs, verbose=0)
    codes, errors = model.encode(held_out), (model.reconstruct(held_out) - held_out) ** 2
    kernel = mmd.default_kernel(prior)
    return {
        "seconds": time.perf_counter() - start,
        "weight": model.trainer.objective.weights["latent"],
        "standardised": float(mmd.standardized_mmd(codes, prior, kernel)),
        "narrow": float(codes.std(axis=0).min()),
        "wide": float(codes.std(axis=0).max()),
        "error": 0.5 * float(errors.mean()) * math.prod(shape),
    }


def main() -> None:
    """Prints a line for each training as it ends."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()
    print("| data | seed | divergence | weight | standardised MMD | deviations | error | s |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for kind in arguments.kinds:
        for seed in range(arguments.seeds):
            plain = math.nan
            for divergence in DIVERGENCES:
                found = measure(kind, divergence, seed, arguments.epochs)
                plain = found["error"] if divergence == "none" else plain
                print(
                    f"| {kind} | {seed} | {divergence} | {found['weight']:.4g} "
                    f"| {found['standardised']:.1f} | {found['narrow']:.2f} to {found['wide']:.2f} "
                    f"| {found['error']:.3f}, {found['error'] / plain:.2f} of plain "
                    f"| {found['seconds']:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
