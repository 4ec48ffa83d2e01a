"""Draw a map of the data in two dimensions: heads of clusters, and style around them.

    python examples/embedding.py                                     # the bundled 8x8 digits
    TFDS_DATA_DIR=... python examples/embedding.py mnist 8           # data set, epochs

A hundred labels say which head is which; without any (`model.fit(x)`) it finds clusters.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras

from aae_tf import EmbeddingAAE, data, divergences, evaluation, export, losses, networks, priors


def main(name: str = "digits", epochs: int = 30, out: str = "runs/embedding") -> None:
    """Trains on a data set and writes figures and an export below `out`."""
    dataset = data.load(name)
    shape, classes = dataset.x_train.shape[1:], dataset.num_classes
    labels = data.labelled_subset(dataset.y_train, num_labels=10 * classes, seed=0)
    batches = data.mix_labels(dataset.x_train, labels, labelled=25, unlabelled=125, seed=0)
    # A length in units of the inputs: it grows with the root of their number.
    radius = 1.5 * (dataset.x_train[0].size / 784) ** 0.5

    model = EmbeddingAAE(
        encoder=networks.mlp_encoder(
            shape, (500, 500), activation="leaky_relu", batch_normalization=True, seed=1
        ),
        # It receives the sum of head and style alone.
        decoder=networks.mlp_decoder(shape, code_dim=2, units=(500, 500), seed=2),
        style_prior=priors.gaussian(2),
        num_clusters=classes,
        head_distance=4.0,
        style_divergence=divergences.Adversarial(weight=0.2),
        class_divergence=None,
        consistency=losses.VirtualAdversarial(radius, finite_difference=10.0),
        information="mutual_information",
        seed=0,
    )
    model.compile(
        optimizer=keras.optimizers.Adam(2e-3),
        discriminator_optimizer=keras.optimizers.Adam(2e-4, beta_1=0.5),
        reconstruction_weight=0.01,
    )
    model.fit(batches, epochs=epochs, verbose=2)

    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    scores = evaluation.classification_scores(model.classify(dataset.x_test), dataset.y_test)
    print(f"test error with {10 * classes} labels: {scores['error']:.1%}")
    figure = evaluation.latent_scatter(
        model.encode(dataset.x_test), dataset.y_test, heads=model.cluster_heads
    )
    figure.savefig(folder / "latent.png")
    model.save(folder / "model.keras")
    print(export.export_servables(model, folder / "saved_models"))


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
