"""A callback that draws and checks the balance of encoder and discriminators."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from aae_tf.callbacks.figure_callback import FigureCallback
from aae_tf.checks import check_dimension, check_number, import_extra
from aae_tf.divergences import Adversarial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The losses of discriminator and encoder where codes and prior cannot be told apart, by objective.
# Those of a Wasserstein critic have no fixed value.
_EQUILIBRIUM_LOSSES = {
    "non_saturating": (2.0 * math.log(2.0), math.log(2.0)),
    "least_squares": (0.25, 0.125),
    "wasserstein": (None, None),
}


class BalanceMonitor(FigureCallback):
    """Draws the losses of encoder and discriminator by epoch, and prints when one is too strong.

    The figure has one row of panels for each code with a discriminator: its accuracy, and the
    losses of encoder and discriminator. Dotted lines are the values where codes and prior cannot
    be told apart: 0.5, and, with the objective "non_saturating", 2 ln 2 for the discriminator and
    ln 2 for the encoder. Further panels show the norms of the gradients at the encoder, if
    `compile(log_gradient_norms=True)` logs them, and the steepness of the discriminator with the
    factor of its rate, if `compile(balance="adaptive")` does.

    The discriminator is too strong if its accuracy is above `highest` for `patience` epochs in a
    row, and too weak if it is below `lowest`. A message then says what to change. It is printed
    once, and again only after an epoch within the limits.

    Args:
        directory: where `balance_EPOCH.png` is written.
        log_dir: of TensorBoard; in a notebook, without either, the figure is shown.
        every: epochs between two figures, which show every epoch. Every epoch is checked.
        lowest: accuracy in (0, 1) below which the discriminator is too weak.
        highest: accuracy in (lowest, 1) above which it is too strong.
        patience: number of epochs in a row.
        title: beginning of the figure's title; None takes the model's class.

    Attributes:
        messages: list of str, the printed messages in order.

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
        title: str | None = None,
    ) -> None:
        super().__init__(directory, log_dir, every, title)
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
        """Collects the adversarial divergences of the model."""
        self._divergences: dict[str, Adversarial] = {
            f"{name}{key}": divergence
            for name, code in getattr(self.model, "codes", {}).items()
            for key, divergence in code.divergences.items()
            if divergence.has_discriminator
        }
        if not self._divergences:
            raise ValueError(
                "Expected BalanceMonitor to be given to the `fit` of a model with a discriminator. "
                f"Received: model={self.model!r}."
            )
        self.messages = []
        self._history = []
        self._streaks = dict.fromkeys(self._divergences, 0)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Checks the accuracy of each discriminator, and writes the figure."""
        self._history.append(dict(logs or {}))
        for code in self._divergences:
            self._check_accuracy(code, epoch)
        super().on_epoch_end(epoch, logs)

    def draw(self) -> Figure:
        """Draws all epochs of the training so far."""
        norms = [key for key in self._history[-1] if key.endswith("_gradient_norm")]
        has_balance = any(key.endswith("_rate_factor") for key in self._history[-1])
        columns = 2 + bool(norms) + has_balance
        matplotlib_figure = import_extra("matplotlib.figure", "figures")
        figure = matplotlib_figure.Figure(
            figsize=(4.0 * columns, 3.0 * len(self._divergences)), layout="constrained"
        )
        figure.suptitle(self.headline, parse_math=False)
        axes = figure.subplots(len(self._divergences), columns, squeeze=False)
        for row, (code, divergence) in zip(axes, self._divergences.items(), strict=True):
            accuracy, losses = row[0], row[1]
            self._plot(accuracy, f"{code}_discriminator_accuracy", "discriminator")
            accuracy.axhline(0.5, color="black", linestyle=":", label="codes like the prior")
            accuracy.set(title=f"{code}: accuracy", ylim=(-0.02, 1.02))
            objective = getattr(divergence, "objective", "")
            equilibria = _EQUILIBRIUM_LOSSES.get(objective, (None, None))
            curves = (("discriminator_loss", "discriminator"), ("divergence", "encoder"))
            for (key, label), value, color in zip(curves, equilibria, ("C0", "C1"), strict=True):
                self._plot(losses, f"{code}_{key}", label, color)
                if value is not None:
                    label = f"equilibrium: {value:.3f}"
                    losses.axhline(value, color=color, linestyle=":", label=label)
            losses.set(title=f"{code}: losses")
            for key in norms:
                if key in (f"{code}_gradient_norm", "reconstruction_gradient_norm"):
                    self._plot(row[2], key, key.removesuffix("_gradient_norm"))
            if norms:
                row[2].set(title=f"{code}: gradients at the encoder", yscale="log")
            if has_balance:
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

    def _check_accuracy(self, code: str, epoch: int) -> None:
        accuracy = self._history[-1].get(f"{code}_discriminator_accuracy", math.nan)
        # 1 if the discriminator is too strong, -1 if it is too weak; NaN gives 0.
        sign = (accuracy > self.highest) - (accuracy < self.lowest)
        streak = self._streaks[code]
        # The streak is positive for epochs of a strong discriminator, negative for a weak one.
        self._streaks[code] = streak + sign if sign and streak * sign >= 0 else sign
        if abs(self._streaks[code]) != self.patience or sign == 0:
            return
        message = f"Epoch {epoch + 1}: " + _imbalance(code, accuracy, sign, self.patience)
        self.messages.append(message)
        print(message)


def _imbalance(code: str, accuracy: float, sign: int, epochs: int) -> str:
    if sign > 0:
        return (
            f"the discriminator of '{code}' is too strong: it told {accuracy:.0%} of codes and "
            f"prior samples apart, for {epochs} epochs. Lower the rate of "
            "`discriminator_optimizer`, use compile(balance='adaptive'), or give its `Adversarial` "
            "input_noise, gradient_penalty or spectral_normalization=True. If this does not help, "
            "the prior may not suit the data: compare the class frequencies with the class prior."
        )
    return (
        f"the discriminator of '{code}' is too weak: it was right on {accuracy:.0%} of codes and "
        f"prior samples, fewer than by guessing, for {epochs} epochs. Raise the rate of "
        "`discriminator_optimizer`, or use compile(balance='adaptive') or "
        "compile(discriminator_steps=3)."
    )
