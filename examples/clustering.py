"""Find clusters without labels, and see what they are.

python examples/clustering.py                                    # the bundled 8x8 digits
TFDS_DATA_DIR=... python examples/clustering.py mnist 12         # data set, epochs
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

from aae_tf import ClusteringAAE, data, divergences, evaluation, export, losses, networks, priors

STYLE_DIM, CLUSTERS = 5, 16


def main(name: str = "digits", epochs: int = 30, out: str = "runs/clustering") -> None:
    """Trains on a data set and writes figures and an export below `out`."""
    dataset = data.load(name)
    shape = dataset.x_train.shape[1:]
    # A length in units of the inputs: it grows with the root of their number.
    radius = 1.5 * (dataset.x_train[0].size / 784) ** 0.5

    model = ClusteringAAE(
        encoder=networks.mlp_encoder(
            shape, (500, 500), activation="leaky_relu", batch_normalization=True, seed=1
        ),
        decoder=networks.mlp_decoder(shape, STYLE_DIM + CLUSTERS, units=(500, 500), seed=2),
        style_prior=priors.gaussian(STYLE_DIM),
        num_clusters=CLUSTERS,
        style_divergence=divergences.Adversarial(weight=0.2),
        class_divergence=None,
        consistency=losses.VirtualAdversarial(radius, finite_difference=10.0),
        information="mutual_information",
        seed=0,
    )
    model.compile(
        optimizer=keras.optimizers.Adam(2e-3),
        discriminator_optimizer=keras.optimizers.Adam(2e-4, beta_1=0.5),
        # Dozens of nats, which would drown the few of the cluster.
        reconstruction_weight=0.01,
    )
    model.fit(dataset.x_train, batch_size=125, epochs=epochs, verbose=2)

    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    # What a cluster means is read off the validation images, and judged on the test images.
    q = model.classify(dataset.x_test)
    scores = evaluation.clustering_scores(
        q, dataset.y_test, model.classify(dataset.x_validation), dataset.y_validation
    )
    for key in ("exemplar_error", "majority_error", "normalized_mutual_information"):
        print(f"{key}: {scores[key]:.3f}")
    heads = model.decode(np.zeros((CLUSTERS, STYLE_DIM)), class_probabilities=np.eye(CLUSTERS))
    figure = evaluation.cluster_grid(heads, dataset.x_test, q.argmax(axis=1))
    figure.savefig(folder / "clusters.png")
    styles = model.encode(dataset.x_test)
    figure = evaluation.latent_scatter(styles, dataset.y_test, model.style_prior)
    figure.savefig(folder / "latent.png")
    model.save(folder / "model.keras")
    print(export.export_servables(model, folder / "saved_models"))


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
