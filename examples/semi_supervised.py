"""Classify with a hundred labels, and learn the style beside the class.

    python examples/semi_supervised.py                               # the bundled 8x8 digits
    TFDS_DATA_DIR=... python examples/semi_supervised.py mnist 12    # data set, epochs

`data.mix_labels` puts some of the few labels into every batch. Beside the paper's terms, q(y|x) is
asked to be consistent under small changes of x and to use all classes.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

from aae_tf import (
    SemiSupervisedAAE,
    data,
    divergences,
    evaluation,
    export,
    losses,
    networks,
    priors,
)

STYLE_DIM = 10


def main(name: str = "digits", epochs: int = 30, out: str = "runs/semi_supervised") -> None:
    """Trains on a data set and writes figures and an export below `out`."""
    dataset = data.load(name)
    shape, classes = dataset.x_train.shape[1:], dataset.num_classes
    labels = data.labelled_subset(dataset.y_train, num_labels=10 * classes, seed=0)
    batches = data.mix_labels(dataset.x_train, labels, labelled=25, unlabelled=125, seed=0)
    # A length in units of the inputs: it grows with the root of their number.
    radius = 1.5 * (dataset.x_train[0].size / 784) ** 0.5
    steps = epochs * len(batches)
    late = keras.optimizers.schedules.PiecewiseConstantDecay([steps // 2], [0.0, 0.1])

    model = SemiSupervisedAAE(
        encoder=networks.mlp_encoder(
            shape, (500, 500), activation="leaky_relu", batch_normalization=True, seed=1
        ),
        decoder=networks.mlp_decoder(shape, STYLE_DIM + classes, units=(500, 500), seed=2),
        style_prior=priors.gaussian(STYLE_DIM),
        num_classes=classes,
        style_divergence=divergences.Adversarial(weight=0.2),
        # From the first step on, an adversary of the class would lock in wrong ones.
        class_divergence=divergences.Adversarial(weight=late),
        consistency=losses.VirtualAdversarial(radius, finite_difference=10.0),
        information="mutual_information",
        seed=0,
    )
    model.compile(
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.PolynomialDecay(2e-3, steps, end_learning_rate=0.0)
        ),
        discriminator_optimizer=keras.optimizers.Adam(2e-4, beta_1=0.5),
        # Dozens of nats, which would drown the few of the class.
        reconstruction_weight=0.01,
    )
    validation = dataset.x_validation, dataset.y_validation
    model.fit(batches, epochs=epochs, validation_data=validation, verbose=2)

    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    scores = evaluation.classification_scores(model.classify(dataset.x_test), dataset.y_test)
    print(f"test error with {10 * classes} labels: {scores['error']:.1%}")
    samples = model.sample(labels=np.repeat(np.arange(classes), 10), seed=0)
    evaluation.sample_grid(samples, columns=10).savefig(folder / "samples.png")
    styles = model.encode(dataset.x_test)
    figure = evaluation.latent_scatter(styles, dataset.y_test, model.style_prior)
    figure.savefig(folder / "latent.png")
    model.save(folder / "model.keras")
    print(export.export_servables(model, folder / "saved_models"))


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
