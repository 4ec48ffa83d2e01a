"""Trains pythae's `Adversarial_AE` with its own trainer, on our networks, batch and rate.

python benchmarks/peers/pythae_worker.py [--fused]
"""

import logging
import tempfile
from importlib import metadata

import rounds
import torch
from pythae.data.datasets import BaseDataset
from pythae.models import Adversarial_AE, Adversarial_AE_Config
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseDiscriminator, BaseEncoder
from pythae.trainers import AdversarialTrainer, AdversarialTrainerConfig
from torch import nn
from torch_worker import mlp, moves

HIDDEN = (rounds.WIDTH, rounds.WIDTH)


class Encoder(BaseEncoder):
    """784-1000-1000-8."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = mlp(rounds.PIXELS, *HIDDEN, rounds.CODE_DIM)

    def forward(self, x: torch.Tensor) -> ModelOutput:
        codes = self.layers(x)
        # The model asks for a variance, and with a deterministic posterior multiplies it by zero.
        return ModelOutput(embedding=codes, log_covariance=torch.zeros_like(codes))


class Decoder(BaseDecoder):
    """8-1000-1000-784."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(mlp(rounds.CODE_DIM, *HIDDEN, rounds.PIXELS), nn.Sigmoid())

    def forward(self, z: torch.Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.layers(z))


class Discriminator(BaseDiscriminator):
    """8-1000-1000-1, a probability, as the model wants it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(mlp(rounds.CODE_DIM, *HIDDEN, 1), nn.Sigmoid())

    def forward(self, z: torch.Tensor) -> ModelOutput:
        return ModelOutput(embedding=self.layers(z))


def make_trainer(batch: int, steps: int, fused: bool) -> AdversarialTrainer:
    """Returns the trainer, ready for its first epoch."""
    config = Adversarial_AE_Config(
        input_dim=(rounds.PIXELS,),
        latent_dim=rounds.CODE_DIM,
        deterministic_posterior=True,
        reconstruction_loss="mse",
    )
    optimizer_arguments = {"eps": rounds.EPSILON, "fused": fused}
    x = torch.from_numpy(rounds.images(steps * batch))
    trainer = AdversarialTrainer(
        Adversarial_AE(config, Encoder(), Decoder(), Discriminator()),
        train_dataset=BaseDataset(x, torch.zeros(len(x))),
        training_config=AdversarialTrainerConfig(
            output_dir=tempfile.mkdtemp(),
            per_device_train_batch_size=batch,
            no_cuda=True,
            autoencoder_learning_rate=rounds.LEARNING_RATE,
            discriminator_learning_rate=rounds.LEARNING_RATE,
            autoencoder_optimizer_params=optimizer_arguments,
            discriminator_optimizer_params=optimizer_arguments,
        ),
    )
    trainer.prepare_training()
    return trainer


def main() -> None:
    """Builds the trainer and answers rounds, each an epoch of its `train_step`."""
    parser = rounds.parser(__doc__)
    parser.add_argument("--fused", action="store_true", help="Adam as a fused kernel")
    arguments = parser.parse_args()
    imported = rounds.peak_bytes()
    logging.disable()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    trainer = make_trainer(arguments.batch, arguments.steps, arguments.fused)
    players = (trainer.autoencoder_optimizer, trainer.discriminator_optimizer)

    def epoch() -> dict[str, float]:
        before = moves(*players)
        _, autoencoder, discriminator = trainer.train_step(1)
        logs = {"loss": autoencoder, "discriminator_loss": discriminator}
        return {**logs, "moves": moves(*players) - before}

    rounds.answer({"epoch": epoch}, imported=imported, pythae=metadata.version("pythae"))


if __name__ == "__main__":
    main()
