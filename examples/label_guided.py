"""Give each class a place of its own in the code, with labels for a part of the data.

    python examples/label_guided.py                                  # the bundled 8x8 digits
    TFDS_DATA_DIR=... python examples/label_guided.py mnist 10       # data set, epochs

The prior is a swiss roll, a tenth of the spiral for each class; `priors.ring_mixture(10)` does as
well. A fifth of the labels is known.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

from aae_tf import LabelGuidedAAE, data, divergences, evaluation, export, networks, priors


def main(name: str = "digits", epochs: int = 60, out: str = "runs/label_guided") -> None:
    """Trains on a data set and writes figures and an export below `out`."""
    dataset = data.load(name)
    shape = dataset.x_train.shape[1:]
    few = len(dataset.y_train) // 50 * dataset.num_classes
    labels = data.labelled_subset(dataset.y_train, num_labels=few, seed=0)

    model = LabelGuidedAAE(
        encoder=networks.mlp_encoder(shape, (500, 500), batch_normalization=True, seed=1),
        decoder=networks.mlp_decoder(shape, code_dim=2, units=(500, 500), seed=2),
        prior=priors.swiss_roll(dataset.num_classes),
        num_classes=dataset.num_classes,
        # A weak game leaves codes of a class where another's should be.
        divergence=divergences.Adversarial(weight=5.0),
        seed=0,
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3, beta_1=0.5),
        discriminator_optimizer=keras.optimizers.Adam(1e-3, beta_1=0.5),
    )
    model.fit(dataset.x_train, labels, batch_size=100, epochs=epochs, verbose=2)

    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    predicted = model.classify(dataset.x_test).argmax(axis=1)
    print(f"class of the most likely component: {(predicted == dataset.y_test).mean():.1%} right")
    codes = model.encode(dataset.x_test)
    evaluation.latent_scatter(codes, dataset.y_test, model.prior).savefig(folder / "latent.png")
    images = model.sample(labels=np.repeat(np.arange(dataset.num_classes), 10), seed=0)
    evaluation.sample_grid(images, columns=10).savefig(folder / "samples.png")
    model.save(folder / "model.keras")
    print(export.export_servables(model, folder / "saved_models"))


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
