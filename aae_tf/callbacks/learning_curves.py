"""A callback that draws every log by epoch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aae_tf.callbacks.figure_callback import FigureCallback
from aae_tf.evaluation import learning_curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class LearningCurves(FigureCallback):
    """Draws each log of a training by epoch, see `evaluation.learning_curves`.

    Args:
        directory: where `learning_curves_EPOCH.png` is written.
        log_dir: of TensorBoard; in a notebook, without either, the figure is shown.
        every: epochs between two figures, which show every epoch.
        title: beginning of the figure's title; None takes the model's class.

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
        first = self._history[0][0]
        history = {
            key: [math.nan] * len(self._history) for _, logs in self._history for key in logs
        }
        for position, (_, logs) in enumerate(self._history):
            for key, value in logs.items():
                history[key][position] = float(value)
        return learning_curves(history, first, title=self.headline)
