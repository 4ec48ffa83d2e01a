"""Train on a folder of your own images, a folder for each class, and draw samples by class name.

    python examples/own_images.py                                    # some digits, written as PNG
    python examples/own_images.py FOLDER 20                          # your folder, epochs

Without a folder, the bundled digits are written to `runs/own_images/images` first, so that there is
one to look at: zero/0000.png, zero/0010.png, ..., nine/1796.png.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

from aae_tf import SemiSupervisedAAE, data, evaluation, export, networks, priors

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def write_digits(folder: Path, count: int) -> None:
    """Writes the first bundled digits as images, in folders by class."""
    digits = data.load("digits", validation=0)
    for i, (image, label) in enumerate(zip(digits.x_train, digits.y_train, strict=True)):
        if i == count:
            break
        path = folder / WORDS[label] / f"{i:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        keras.utils.save_img(path, 255.0 * image, scale=False)


def main(
    name: str | None = None, epochs: int = 30, out: str = "runs/own_images", count: int = 1500
) -> None:
    """Trains on a folder and writes figures and an export below `out`."""
    folder = Path(out)
    if name is None:
        name = str(folder / "images")
        write_digits(Path(name), count)
    dataset = data.load(name)
    shape, classes = dataset.x_train.shape[1:], dataset.num_classes
    print(f"{len(dataset.x_train)} images of {shape}; classes: {', '.join(dataset.class_names)}")

    model = SemiSupervisedAAE(
        networks.mlp_encoder(shape, (500, 500), seed=1),
        networks.mlp_decoder(shape, code_dim=5 + classes, units=(500, 500), seed=2),
        style_prior=priors.gaussian(5),
        num_classes=classes,
        class_names=dataset.class_names,
        style_divergence="mmd",
        class_divergence=None,
        seed=0,
    )
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(dataset.x_train, dataset.y_train, batch_size=100, epochs=epochs, verbose=2)

    right = model.classify(dataset.x_test).argmax(axis=1) == dataset.y_test
    print(f"test images: {right.mean():.1%} right")
    images = model.sample(labels=np.repeat(dataset.class_names, 10), seed=0)
    evaluation.sample_grid(images, columns=10).savefig(folder / "samples.png")
    evaluation.model_latents(model, dataset.x_test, dataset.y_test).savefig(folder / "latent.png")
    model.save(folder / "model.keras")
    print(export.export_servables(model, folder / "saved_models"))


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
