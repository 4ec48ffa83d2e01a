"""Train an adversarial autoencoder, look at its codes, and export it.

    python examples/latent_space.py                                  # the bundled 8x8 digits
    TFDS_DATA_DIR=... python examples/latent_space.py mnist 20       # data set, epochs

Two dimensions, so that everything can be seen: ten Gaussians on a ring as the prior, and an MMD in
closed form instead of a discriminator. `divergence="adversarial"` trains against one.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras

from aae_tf import AAE, data, evaluation, export, networks, priors


def main(name: str = "digits", epochs: int = 40, out: str = "runs/latent_space") -> None:
    """Trains on a data set and writes figures and an export below `out`."""
    dataset = data.load(name)
    shape = dataset.x_train.shape[1:]

    model = AAE(
        encoder=networks.mlp_encoder(shape, units=(500, 500), seed=1),
        decoder=networks.mlp_decoder(shape, code_dim=2, units=(500, 500), seed=2),
        prior=priors.ring_mixture(num_components=10),
        divergence="mmd",
        seed=0,
    )
    model.compile(optimizer=keras.optimizers.Adam(1e-3), reconstruction_loss="half_squared_error")
    model.fit(
        dataset.x_train,
        batch_size=100,
        epochs=epochs,
        validation_data=dataset.x_validation,
        verbose=2,
    )

    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    codes = model.encode(dataset.x_test)
    figures = {
        "latent": evaluation.latent_scatter(codes, dataset.y_test, model.prior),
        "samples": evaluation.sample_grid(model.sample(100, seed=0)),
        "reconstructions": evaluation.reconstructions(
            dataset.x_test[:20], model.reconstruct(dataset.x_test[:20])
        ),
    }
    for title, figure in figures.items():
        figure.savefig(folder / f"{title}.png")
    model.save(folder / "model.keras")
    print(export.export_servables(model, folder / "saved_models"))


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
