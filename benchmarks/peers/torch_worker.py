"""Trains the adversarial autoencoder in PyTorch, as a careful user would write it.

    python benchmarks/peers/torch_worker.py [--compile default] [--schedule joint]

Adam is fused, gradients are set to None and computed only where they are used, the data lies in
memory as one tensor, and nothing waits for a number before the end of a round. `--compile` compiles
each loss as a whole, and with it the backward pass.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rounds
import torch
from torch import nn
from torch.nn import functional


def mlp(*widths: int) -> nn.Sequential:
    """Makes dense layers with ReLU between them."""
    layers: list[nn.Module] = []
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
        layers += [nn.ReLU()] * (i > 0) + [nn.Linear(fan_in, fan_out)]
    return nn.Sequential(*layers)


class Training:
    """The three networks, their optimizers and both schedules.

    Args:
        schedule: "alternating" or "joint".
        mode: "none", or the mode of `torch.compile`.
        bfloat16: whether forward passes run under autocast.
    """

    def __init__(self, schedule: str, mode: str, bfloat16: bool) -> None:
        hidden = (rounds.WIDTH, rounds.WIDTH)
        self.encoder = mlp(rounds.PIXELS, *hidden, rounds.CODE_DIM)
        self.decoder = nn.Sequential(mlp(rounds.CODE_DIM, *hidden, rounds.PIXELS), nn.Sigmoid())
        self.discriminator = mlp(rounds.CODE_DIM, *hidden, 1)
        self.autoencoder = adam(self.encoder, self.decoder)
        self.discriminating = adam(self.discriminator)
        self.regularizer = adam(self.encoder)
        self.bfloat16 = bfloat16
        self.step = self._alternating if schedule == "alternating" else self._joint
        if mode != "none":
            for name in ("_reconstruct", "_encode", "_game", "_fool", "_pass"):
                setattr(self, name, torch.compile(getattr(self, name), mode=mode, dynamic=False))

    def _autocast(self) -> torch.autocast:
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bfloat16)

    def _encode(self, x: torch.Tensor) -> torch.Tensor:
        with self._autocast():
            return self.encoder(x).float()

    def _reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        with self._autocast():
            outputs = self.decoder(self.encoder(x))
        return half_squared_error(x, outputs.float())

    def _game(self, codes: torch.Tensor) -> torch.Tensor:
        # One pass over both, in standard deviations of the prior, as in aae_tf.
        points = torch.cat([torch.randn_like(codes), codes / rounds.PRIOR_SCALE])
        with self._autocast():
            logits = self.discriminator(points).float()
        real_logits, code_logits = logits.chunk(2)
        return functional.softplus(-real_logits).mean() + functional.softplus(code_logits).mean()

    def _fool(self, codes: torch.Tensor) -> torch.Tensor:
        with self._autocast():
            logits = frozen(self.discriminator, codes / rounds.PRIOR_SCALE).float()
        return functional.softplus(-logits).mean()

    def _pass(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        with self._autocast():
            codes = self.encoder(x).float()
            outputs = self.decoder(codes)
        return codes, half_squared_error(x, outputs.float()), self._fool(codes)

    def _alternating(self, x: torch.Tensor) -> torch.Tensor:
        """Reconstruction, discriminator, encoder: Makhzani et al. 2016, section 2."""
        reconstruction = self._reconstruct(x)
        move(self.autoencoder, reconstruction)
        codes = self._encode(x)
        game = self._game(codes.detach())
        move(self.discriminating, game)
        fooling = self._fool(codes)
        move(self.regularizer, fooling)
        return torch.stack([reconstruction, fooling, game]).detach()

    def _joint(self, x: torch.Tensor) -> torch.Tensor:
        """One pass of encoder and decoder, on whose codes both players step."""
        codes, reconstruction, fooling = self._pass(x)
        game = self._game(codes.detach())
        move(self.autoencoder, reconstruction + fooling)
        move(self.discriminating, game)
        return torch.stack([reconstruction, fooling, game]).detach()


def adam(*networks: nn.Module) -> torch.optim.Adam:
    """Returns a fused optimizer of their weights."""
    weights = [weight for network in networks for weight in network.parameters()]
    return torch.optim.Adam(weights, lr=rounds.LEARNING_RATE, eps=rounds.EPSILON, fused=True)


def half_squared_error(x: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
    """Sums over features and averages over the batch."""
    return 0.5 * (x - outputs).square().sum(1).mean()


def frozen(network: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
    """Applies dense layers whose weights get no gradient, so that none is computed."""
    for layer in network:
        if isinstance(layer, nn.Linear):
            x = functional.linear(x, layer.weight.detach(), layer.bias.detach())
        else:
            x = layer(x)
    return x


def move(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """Makes one step down a loss."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def moves(*optimizers: torch.optim.Optimizer) -> int:
    """Counts the updates that these have made."""
    states = [next(iter(optimizer.state.values()), {"step": 0}) for optimizer in optimizers]
    return sum(int(state["step"]) for state in states)


def batches(x: torch.Tensor, size: int) -> Iterator[torch.Tensor]:
    """Gives shuffled batches."""
    for rows in torch.randperm(len(x)).split(size):
        yield x[rows]


def load_weights(training: Training, path: Path) -> None:
    """Copies the weights that `aae_worker.py` wrote."""
    with np.load(path) as arrays:
        for network in ("encoder", "decoder", "discriminator"):
            for i, weight in enumerate(getattr(training, network).parameters()):
                weight.data.copy_(torch.from_numpy(arrays[f"{network}/{i}"].T))


def main() -> None:
    """Builds the training and answers rounds."""
    parser = rounds.parser(__doc__)
    parser.add_argument("--compile", default="none", help="none, or a mode of torch.compile")
    arguments = parser.parse_args()
    imported = rounds.peak_bytes()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    training = Training(arguments.schedule, arguments.compile, arguments.bfloat16)
    if arguments.weights:
        load_weights(training, arguments.weights)
    players = (training.autoencoder, training.discriminating, training.regularizer)
    x = torch.from_numpy(rounds.images(arguments.steps * arguments.batch))

    def epoch() -> dict[str, float]:
        before, losses = moves(*players), torch.zeros(3)
        for batch in batches(x, arguments.batch):
            losses += training.step(batch)
        names = ("reconstruction_loss", "encoder_loss", "discriminator_loss")
        logs = dict(zip(names, (losses / arguments.steps).tolist(), strict=True))
        return {**logs, "moves": moves(*players) - before}

    rounds.answer({"epoch": epoch}, imported=imported, torch=torch.__version__)


if __name__ == "__main__":
    main()
