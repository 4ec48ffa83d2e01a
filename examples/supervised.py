"""Tell style from label: the decoder is told the digit, the code keeps how it is written.

python examples/supervised.py                                    # the bundled 8x8 digits
TFDS_DATA_DIR=... python examples/supervised.py mnist 10         # data set, epochs
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

from aae_tf import SupervisedAAE, data, evaluation, export, networks, priors

STYLE_DIM = 10
NUM_STYLES = 8


def main(name: str = "digits", epochs: int = 60, out: str = "runs/supervised") -> None:
    """Trains on a data set and writes figures and an export below `out`."""
    dataset = data.load(name)
    shape, classes = dataset.x_train.shape[1:], dataset.num_classes

    model = SupervisedAAE(
        encoder=networks.mlp_encoder(shape, units=(500, 500), seed=1),
        # Style and one-hot label, side by side.
        decoder=networks.mlp_decoder(shape, STYLE_DIM + classes, units=(500, 500), seed=2),
        prior=priors.gaussian(STYLE_DIM),
        num_classes=classes,
        seed=0,
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3), discriminator_optimizer=keras.optimizers.Adam(1e-4)
    )
    model.fit(dataset.x_train, dataset.y_train, batch_size=100, epochs=epochs, verbose=2)

    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    # The style of one test image in each row, written as every digit.
    styles = np.repeat(model.encode(dataset.x_test[:NUM_STYLES]), classes, axis=0)
    one_hot = np.tile(np.eye(classes), (NUM_STYLES, 1))
    images = model.decode(styles, class_probabilities=one_hot)
    figure = evaluation.style_grid(images.reshape(NUM_STYLES, classes, *shape))
    figure.savefig(folder / "styles.png")
    styles = model.encode(dataset.x_test)
    evaluation.latent_scatter(styles, dataset.y_test, model.prior).savefig(folder / "latent.png")
    model.save(folder / "model.keras")
    print(export.export_servables(model, folder / "saved_models"))


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
