"""A callback that draws the codes of some inputs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aae_tf import data, evaluation
from aae_tf.callbacks.figure_callback import FigureCallback

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class LatentScatter(FigureCallback):
    """Draws the codes of some inputs over the prior's contours, see `evaluation.model_latents`.

    Args:
        x: float [n, ...], inputs to encode, best held-out ones.
        labels: integer [n], -1 where unknown; None draws one colour.
        directory: where `latent_EPOCH.png` is written.
        log_dir: where TensorBoard looks; in a notebook, without either, the figure is shown.
        every: epochs between two figures.
        title: beginning of the figure's title; None takes the model's class.
        class_names: name of each class, for the legend; None takes those of the model.

    Raises:
        TypeError, ValueError: if an argument is out of its domain; from `fit`, if `x` is not of
            the encoder's input shape.

    Example:

    >>> import tempfile
    >>> import keras, numpy as np
    >>> from aae_tf import AAE, networks, priors
    >>> model = AAE(networks.mlp_encoder((4,), units=(8,)), networks.mlp_decoder((4,), 2, (8,)),
    ...             prior=priors.gaussian(2), seed=0)
    >>> model.compile()
    >>> x, directory = np.random.default_rng(0).random((32, 4), "float32"), tempfile.mkdtemp()
    >>> history = model.fit(x, epochs=2, verbose=0, callbacks=[LatentScatter(x, None, directory)])
    >>> sorted(os.listdir(directory))
    ['latent_0001.png', 'latent_0002.png']
    """

    name = "latent"
    needs_encoder = True
    key_logs = ("latent_standardized_mmd", "style_standardized_mmd", "reconstruction_loss", "loss")

    def __init__(
        self,
        x: Any,
        labels: Any | None = None,
        directory: str | os.PathLike[str] | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        every: int = 1,
        title: str | None = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(directory, log_dir, every, title)
        self.x = data.check_array(x, "x")
        if labels is not None:
            data.check_labels(labels, "labels", size=len(self.x))
        self.labels = labels
        self.class_names = class_names

    def check_model(self) -> None:
        """Checks the shape of the inputs against the encoder's."""
        data.check_array(self.x, "x", self.model.encoder.input_shape[1:])

    def draw(self) -> Figure:
        """Draws the current codes."""
        return evaluation.model_latents(
            self.model, self.x, self.labels, self.class_names, title=self.headline
        )
