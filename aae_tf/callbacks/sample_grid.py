"""A callback that draws samples of a model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from aae_tf import evaluation
from aae_tf.callbacks.figure_callback import FigureCallback
from aae_tf.checks import check_dimension, check_integer
from aae_tf.evaluation.arguments import check_images

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class SampleGrid(FigureCallback):
    """Draws samples of the model, from the same codes in every epoch, see `evaluation.sample_grid`.

    Args:
        count: number of samples.
        seed: non-negative integer that fixes their codes.
        directory: where `samples_EPOCH.png` is written.
        log_dir: where TensorBoard looks; in a notebook, without either, the figure is shown.
        every: epochs between two figures.
        title: beginning of the figure's title; None takes the model's class.

    Raises:
        TypeError, ValueError: if an argument is out of its domain; from `fit`, if the decoder
            gives no images.

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
    >>> history = model.fit(x, verbose=0, callbacks=[SampleGrid(16, directory=directory)])
    >>> os.listdir(directory)
    ['samples_0001.png']
    """

    name = "samples"

    def __init__(
        self,
        count: int = 64,
        seed: int = 0,
        directory: str | os.PathLike[str] | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        every: int = 1,
        title: str | None = None,
    ) -> None:
        super().__init__(directory, log_dir, every, title)
        self.count = check_dimension("count", count)
        self.seed = check_integer("seed", seed)

    def check_model(self) -> None:
        """Checks that the decoder gives images."""
        shape = self.model.decoder.output_shape[1:]
        check_images("the decoder's outputs", np.zeros((1, *shape), np.float32))

    def draw(self) -> Figure:
        """Draws the current samples."""
        return evaluation.sample_grid(
            self.model.sample(self.count, seed=self.seed), title=self.headline
        )
