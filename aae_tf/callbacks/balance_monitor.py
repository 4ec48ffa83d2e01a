"""The game of encoder and discriminators while a model trains."""

import math
import os

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aae_tf.callbacks.figure_callback import FigureCallback
from aae_tf.checks import check_dimension, check_number
from aae_tf.divergences import Adversarial

# What each objective's losses are when codes cannot be told from the prior: the discriminator's
# and the encoder's. A critic's have no such value.
_DRAWS = {
    "non_saturating": (2.0 * math.log(2.0), math.log(2.0)),
    "least_squares": (0.25, 0.125),
    "wasserstein": (None, None),
}


class BalanceMonitor(FigureCallback):
    """Draws the game of each code over the epochs, and says in words when one side has won.

    One row of panels for each code that has a discriminator: its accuracy beside 0.5, and the
    losses of both sides beside what they are when codes and prior cannot be told apart, 2 ln 2 and
    ln 2 with the objective "non_saturating". Where they are logged, also the norms of the gradients
    at the encoder, by `compile(log_gradient_norms=True)`, and the steepness of the discriminator
    with the factor of its rate, by `compile(balance="adaptive")`.

    A side has won when the accuracy of `patience` epochs in a row stays beyond `highest`, or below
    `lowest`; that is printed once, with what to change, and again only after a balance.

    Args:
        directory: where `balance_EPOCH.png` is written.
        log_dir: where TensorBoard looks.
        every: epochs between two figures; every epoch is drawn in them, and watched.
        lowest: accuracy in (0, 1) below which the encoder has won.
        highest: accuracy in (lowest, 1) above which the discriminator has won.
        patience: number of epochs in a row.

    Attributes:
        messages: what has been printed, in order.

    Raises:
        TypeError, ValueError: if an argument is out of its domain; from `fit`, if no code of the
            model has a discriminator.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> from aae_tf import AAE, networks, priors
    >>> model = AAE(networks.mlp_encoder((4,), units=(8,)), networks.mlp_decoder((4,), 2, (8,)),
    ...             prior=priors.gaussian(2), seed=0)
    >>> model.compile()
    >>> x, directory = np.random.default_rng(0).random((32, 4)), tempfile.mkdtemp()
    >>> history = model.fit(x, epochs=2, verbose=0, callbacks=[BalanceMonitor(directory, every=2)])
    >>> os.listdir(directory)
    ['balance_0002.png']
    """

    name = "balance"

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        every: int = 1,
        lowest: float = 0.45,
        highest: float = 0.9,
        patience: int = 3,
    ) -> None:
        super().__init__(directory, log_dir, every)
        lowest, highest = check_number("lowest", lowest), check_number("highest", highest)
        if not 0.0 < lowest < highest < 1.0:
            raise ValueError(
                "Expected `lowest` and `highest` to be accuracies with 0 < lowest < highest < 1. "
                f"Received: lowest={lowest!r}, highest={highest!r}."
            )
        self.lowest = lowest
        self.highest = highest
        self.patience = check_dimension("patience", patience)
        self.messages: list[str] = []
        self._history: list[dict[str, float]] = []
        self._streaks: dict[str, int] = {}

    def check_model(self) -> None:
        """Finds the games of the model."""
        self._games: dict[str, Adversarial] = {
            name: code.divergence
            for name, code in getattr(self.model, "codes", {}).items()
            if code.divergence is not None and code.divergence.has_discriminator
        }
        if not self._games:
            raise ValueError(
                "Expected BalanceMonitor to be given to the `fit` of a model with a discriminator. "
                f"Received: model={self.model!r}."
            )
        self.messages = []
        self._history = []
        self._streaks = dict.fromkeys(self._games, 0)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Remembers the epoch, judges it, and writes the figure."""
        self._history.append(dict(logs or {}))
        for code in self._games:
            self._judge(code, epoch)
        super().on_epoch_end(epoch, logs)

    def draw(self) -> Figure:
        """Draws all epochs up to now."""
        norms = [key for key in self._history[-1] if key.endswith("_gradient_norm")]
        is_steered = any(key.endswith("_rate_factor") for key in self._history[-1])
        columns = 2 + bool(norms) + is_steered
        figure = Figure(figsize=(4.0 * columns, 3.0 * len(self._games)), layout="constrained")
        axes = figure.subplots(len(self._games), columns, squeeze=False)
        for row, (code, divergence) in zip(axes, self._games.items(), strict=True):
            accuracy, losses = row[0], row[1]
            self._plot(accuracy, f"{code}_discriminator_accuracy", "discriminator")
            accuracy.axhline(0.5, color="black", linestyle=":", label="codes like the prior")
            accuracy.set(title=f"{code}: accuracy", ylim=(-0.02, 1.02))
            draws = _DRAWS.get(getattr(divergence, "objective", ""), (None, None))
            sides = ("discriminator_loss", "divergence")
            for side, draw, color in zip(sides, draws, ("C0", "C1"), strict=True):
                label = "discriminator" if side == "discriminator_loss" else "encoder"
                self._plot(losses, f"{code}_{side}", label, color)
                if draw is not None:
                    losses.axhline(draw, color=color, linestyle=":", label=f"draw: {draw:.3f}")
            losses.set(title=f"{code}: losses")
            for key in norms:
                if key in (f"{code}_gradient_norm", "reconstruction_gradient_norm"):
                    self._plot(row[2], key, key.removesuffix("_gradient_norm"))
            if norms:
                row[2].set(title=f"{code}: gradients at the encoder", yscale="log")
            if is_steered:
                self._plot(row[-1], f"{code}_steepness", "steepness")
                self._plot(row[-1], f"{code}_rate_factor", "factor of the rate")
                row[-1].set(title=f"{code}: balance", yscale="log")
            for panel in row:
                panel.set(xlabel="epoch")
                panel.legend(fontsize="small")
        return figure

    def _plot(self, axes: Axes, key: str, label: str, color: str | None = None) -> None:
        epochs = range(1, len(self._history) + 1)
        values = [logs.get(key, math.nan) for logs in self._history]
        axes.plot(epochs, values, ".-", label=label, color=color)

    def _judge(self, code: str, epoch: int) -> None:
        accuracy = self._history[-1].get(f"{code}_discriminator_accuracy", math.nan)
        won = (accuracy > self.highest) - (accuracy < self.lowest)
        streak = self._streaks[code]
        # Counted upwards while the discriminator wins, downwards while the encoder does.
        self._streaks[code] = streak + won if won and streak * won >= 0 else won
        if abs(self._streaks[code]) != self.patience or won == 0:
            return
        message = f"Epoch {epoch + 1}: " + _verdict(code, accuracy, won, self.patience)
        self.messages.append(message)
        print(message)


def _verdict(code: str, accuracy: float, won: int, epochs: int) -> str:
    if won > 0:
        return (
            f"the discriminator of '{code}' has won: it told {accuracy:.0%} of codes and prior "
            f"samples apart, for {epochs} epochs. Lower the rate of `discriminator_optimizer`, use "
            "compile(balance='adaptive'), or give its `Adversarial` input_noise, gradient_penalty "
            "or spectral_normalization=True. If it stays, the prior may not suit the data: compare "
            "the class frequencies with the class prior."
        )
    return (
        f"the encoder has fooled the discriminator of '{code}': it was right on {accuracy:.0%} of "
        f"codes and prior samples, fewer than by guessing, for {epochs} epochs. Raise the rate of "
        "`discriminator_optimizer`, or use compile(balance='adaptive') or "
        "compile(discriminator_steps=3)."
    )
