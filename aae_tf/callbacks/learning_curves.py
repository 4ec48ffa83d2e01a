"""A callback that draws every log by epoch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aae_tf.callbacks.figure_callback import FigureCallback
from aae_tf.checks import import_extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 3
_PANEL_INCHES = (4.0, 2.6)
_VALIDATION = "val_"


class LearningCurves(FigureCallback):
    """Draws each log of a training by epoch, with its value on validation data beside it.

    One panel for each log: `loss` and `reconstruction_loss` first, the others in the order in which
    the training logs them. A log without a finite value has no panel. Where all values of a panel
    are positive and the largest is more than a hundred times the smallest, its axis is logarithmic.

    Args:
        directory: where `learning_curves_EPOCH.png` is written.
        log_dir: of TensorBoard.
        every: epochs between two figures, which show every epoch.

    Raises:
        TypeError, ValueError: as `FigureCallback`.

    Example:

    >>> import os
    >>> import tempfile
    >>> import numpy as np
    >>> from aae_tf import AAE, networks, priors
    >>> model = AAE(networks.mlp_encoder((4,), units=(8,)), networks.mlp_decoder((4,), 2, (8,)),
    ...             prior=priors.gaussian(2), seed=0)
    >>> model.compile()
    >>> x, directory = np.random.default_rng(0).random((32, 4)), tempfile.mkdtemp()
    >>> history = model.fit(x, epochs=2, verbose=0, callbacks=[LearningCurves(directory, every=2)])
    >>> os.listdir(directory)
    ['learning_curves_0002.png']
    """

    name = "learning_curves"

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Forgets the epochs of the training before."""
        self._history: list[tuple[int, dict[str, float]]] = []
        super().on_train_begin(logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keeps the logs of the epoch, and writes the figure after every k-th one."""
        self._history.append((epoch + 1, dict(logs or {})))
        super().on_epoch_end(epoch, logs)

    def draw(self) -> Figure:
        """Draws all epochs of the training so far."""
        keys = self._keys()
        rows = -(-len(keys) // _COLUMNS)
        width, height = _PANEL_INCHES
        figure = import_extra("matplotlib.figure", "figures").Figure(
            figsize=(width * min(len(keys), _COLUMNS), height * rows), layout="constrained"
        )
        figure.suptitle(f"{type(self.model).__name__}, {self._history[-1][0]} epochs")
        panels = figure.subplots(rows, min(len(keys), _COLUMNS), squeeze=False).ravel()
        for axes, key in zip(panels, keys, strict=False):
            drawn: list[float] = []
            for label, prefix in (("training", ""), ("validation", _VALIDATION)):
                epochs, values = self._curve(prefix + key)
                if values:
                    axes.plot(epochs, values, label=label, marker="." if len(values) < 30 else "")
                    drawn += values
            axes.set(title=key.replace("_", " "), xlabel="epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
            if min(drawn) > 0.0 and max(drawn) > 100.0 * min(drawn):
                axes.set_yscale("log")
            if len(axes.lines) > 1:
                axes.legend()
        for axes in panels[len(keys) :]:
            axes.remove()
        return figure

    def _keys(self) -> list[str]:
        logged = (key.removeprefix(_VALIDATION) for _, logs in self._history for key in logs)
        keys = dict.fromkeys(["loss", "reconstruction_loss", *logged])
        return [key for key in keys if self._curve(key)[1] or self._curve(_VALIDATION + key)[1]]

    def _curve(self, key: str) -> tuple[list[int], list[float]]:
        points = [
            (epoch, float(logs[key]))
            for epoch, logs in self._history
            if key in logs and math.isfinite(logs[key])
        ]
        return [epoch for epoch, _ in points], [value for _, value in points]
