"""A callback that draws images and their reconstructions."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from aae_tf import data, evaluation
from aae_tf.callbacks.figure_callback import FigureCallback
from aae_tf.evaluation.arguments import check_images

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Reconstructions(FigureCallback):
    """Draws images over their reconstructions, see `evaluation.reconstructions`.

    Args:
        x: float [n, height, width, channels], images of one or three channels, such as two dozen.
        directory: where `reconstructions_EPOCH.png` is written.
        log_dir: where TensorBoard looks; in a notebook, without either, the figure is shown.
        every: epochs between two figures.
        title: beginning of the figure's title; None takes the model's class.

    Raises:
        TypeError, ValueError: if an argument is out of its domain; from `fit`, if `x` is not of
            the encoder's input shape.

    Example:

    >>> import tempfile
    >>> import keras, numpy as np
    >>> from aae_tf import AAE, networks, priors
    >>> model = AAE(networks.mlp_encoder((8, 8, 1), units=(8,)),
    ...             networks.mlp_decoder((8, 8, 1), 2, units=(8,)),
    ...             prior=priors.gaussian(2), seed=0)
    >>> model.compile()
    >>> x = np.random.default_rng(0).random((32, 8, 8, 1), "float32")
    >>> directory = tempfile.mkdtemp()
    >>> history = model.fit(
    ...     x, epochs=4, verbose=0, callbacks=[Reconstructions(x[:12], directory, every=2)])
    >>> sorted(os.listdir(directory))
    ['reconstructions_0002.png', 'reconstructions_0004.png']
    """

    name = "reconstructions"
    needs_encoder = True

    def __init__(
        self,
        x: Any,
        directory: str | os.PathLike[str] | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        every: int = 1,
        title: str | None = None,
    ) -> None:
        super().__init__(directory, log_dir, every, title)
        check_images("x", x)
        self.x = x

    def check_model(self) -> None:
        """Checks the shape of the images against the encoder's."""
        data.check_array(self.x, "x", self.model.encoder.input_shape[1:])

    def draw(self) -> Figure:
        """Draws the current reconstructions."""
        return evaluation.reconstructions(self.x, self.model.reconstruct(self.x), self.headline)
