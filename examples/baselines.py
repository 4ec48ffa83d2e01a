"""Codes of the VAE beside codes of the AAE and of the moment-matched AAE, over the same prior.

    python examples/baselines.py                                     # the bundled 8x8 digits
    TFDS_DATA_DIR=... python examples/baselines.py mnist 8           # data set, epochs

One figure for a Gaussian prior and one for a mixture on a ring: the same networks, the same number
of steps. Prints MMD^2 between the codes of held-out images and the prior.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras

from aae_tf import AAE, VAE, data, evaluation, export, networks, priors

MODELS = {
    "AAE": lambda **parts: AAE(**parts, divergence="adversarial"),
    "AAE with MMD": lambda **parts: AAE(**parts, divergence="mmd"),
    "VAE": lambda **parts: VAE(**parts),
}
PRIORS = {"gaussian": priors.gaussian(2), "ring": priors.ring_mixture()}


def main(name: str = "digits", epochs: int = 40, out: str = "runs/baselines") -> None:
    """Trains on a data set and writes figures and an export below `out`."""
    dataset = data.load(name)
    shape = dataset.x_train.shape[1:]
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for prior_name, prior in PRIORS.items():
        codes = {}
        for title, build in MODELS.items():
            model = build(
                encoder=networks.mlp_encoder(shape, units=(500, 500), seed=1),
                decoder=networks.mlp_decoder(shape, code_dim=2, units=(500, 500), seed=2),
                prior=prior,
                seed=0,
            )
            # The VAE has no discriminator: its second optimizer has no part.
            model.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-4))
            model.fit(dataset.x_train, batch_size=100, epochs=epochs, verbose=0)
            numbers = evaluation.evaluate_model(model, dataset.x_test)["codes"]["latent"]
            print(f"{prior_name}, {title}: MMD^2 {numbers['mmd_squared']:.1e}")
            codes[title] = model.encode(dataset.x_test)
        figure = evaluation.latent_panels(codes, dataset.y_test, prior)
        figure.savefig(folder / ("latent.png" if prior_name == "ring" else f"{prior_name}.png"))
    model.save(folder / "model.keras")
    print(export.export_servables(model, folder / "saved_models"))


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
