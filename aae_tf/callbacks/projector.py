"""A callback that writes codes for TensorBoard's embedding projector."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf import data
from aae_tf.checks import check_dimension
from aae_tf.models import BaseAAE

# TensorBoard scales down a larger sprite image, and with it every picture.
_LARGEST_SPRITE = 8192


class Projector(keras.callbacks.Callback):
    """Writes the codes of some inputs for TensorBoard's projector, with labels and pictures.

    The folder gets `projector_config.pbtxt`, `codes_EPOCH.tsv`, `labels.tsv` and, where the inputs
    are images, `sprite.png`. `tensorboard --logdir LOG_DIR` shows them under PROJECTOR, one
    embedding for each time that they were written.

    Args:
        x: float [n, ...], the inputs, of the model's input shape.
        labels: integers or text [n], the labels of the points; None for none.
        log_dir: of TensorBoard; the projector is its run `projector`.
        every: epochs between two embeddings; None writes one, at the end of the training.

    Raises:
        TypeError: if `x` holds no floats; from `fit`, if the model has no encoder.
        ValueError: if `x` is not finite, `labels` are not as many, or `every` is not positive.

    Example:

    >>> import tempfile
    >>> from aae_tf import AAE, networks, priors
    >>> model = AAE(networks.mlp_encoder((4,), units=(8,)), networks.mlp_decoder((4,), 2, (8,)),
    ...             prior=priors.gaussian(2), seed=0)
    >>> model.compile()
    >>> x, folder = np.random.default_rng(0).random((32, 4)), tempfile.mkdtemp()
    >>> history = model.fit(x, verbose=0, callbacks=[Projector(x, log_dir=folder)])
    >>> sorted(os.listdir(os.path.join(folder, "projector")))
    ['codes_0001.tsv', 'projector_config.pbtxt']
    """

    def __init__(
        self,
        x: Any,
        labels: Sequence[Any] | None = None,
        log_dir: str | os.PathLike[str] = "logs",
        every: int | None = None,
    ) -> None:
        super().__init__()
        self.x = data.check_array(x, "x")
        self.labels = None if labels is None else [str(label) for label in labels]
        if self.labels is not None and len(self.labels) != len(self.x):
            raise ValueError(
                "Expected `labels` to have one entry per row of `x`. Received: "
                f"{len(self.labels)} labels, x.shape={self.x.shape}."
            )
        self.log_dir = Path(log_dir)
        self.every = None if every is None else check_dimension("every", every)

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Checks the model, and writes labels and pictures."""
        if not isinstance(self.model, BaseAAE):
            raise TypeError(
                "Expected Projector to be given to the `fit` of a model of aae_tf with an encoder. "
                f"Received: model={self.model!r}."
            )
        self._folder = self.log_dir / "projector"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._epoch, self._written = 0, list[int]()
        self._shared: list[str] = []
        if self.labels is not None:
            # A tab or a new line would be another column or row.
            lines = (" ".join(label.split()) or "-" for label in self.labels)
            (self._folder / "labels.tsv").write_text("".join(f"{line}\n" for line in lines))
            self._shared.append('  metadata_path: "labels.tsv"')
        if self.x.ndim == 4 and self.x.shape[3] in (1, 3):
            height, width = self._write_sprite()
            self._shared.append(
                '  sprite { image_path: "sprite.png" '
                f"single_image_dim: {width} single_image_dim: {height} }}"
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes an embedding after every k-th epoch."""
        self._epoch = epoch + 1
        if self.every is not None and self._epoch % self.every == 0:
            self._write()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Writes the last embedding."""
        if self._epoch not in (0, *self._written):
            self._write()

    def _write(self) -> None:
        codes = self.model.encode(self.x)
        if not np.isfinite(codes).all():
            return
        np.savetxt(self._folder / f"codes_{self._epoch:04d}.tsv", codes, "%.6g", delimiter="\t")
        self._written.append(self._epoch)
        embeddings = []
        for epoch in reversed(self._written):
            name = json.dumps(f"latents, epoch {epoch}")
            lines = [f"  tensor_name: {name}", f'  tensor_path: "codes_{epoch:04d}.tsv"']
            embeddings.append("\n".join(["embeddings {", *lines, *self._shared, "}\n"]))
        (self._folder / "projector_config.pbtxt").write_text("".join(embeddings))

    def _write_sprite(self) -> tuple[int, int]:
        """Writes all images as one square of images; returns the size of each."""
        side = math.ceil(math.sqrt(len(self.x)))
        images = tf.convert_to_tensor(self.x)
        low, high = float(self.x.min()), float(self.x.max())
        images = (images - low) / max(high - low, 1e-12)
        height, width = self.x.shape[1:3]
        largest = _LARGEST_SPRITE // side
        if max(height, width) > largest:
            factor = largest / max(height, width)
            height, width = (max(1, int(size * factor)) for size in (height, width))
            images = tf.image.resize(images, [height, width], method="area")
        blank = tf.zeros([side**2 - len(self.x), height, width, images.shape[3]])
        grid = tf.reshape(tf.concat([images, blank], axis=0), [side, side, height, width, -1])
        sheet = tf.reshape(tf.transpose(grid, [0, 2, 1, 3, 4]), [side * height, side * width, -1])
        pixels = tf.image.convert_image_dtype(tf.clip_by_value(sheet, 0.0, 1.0), tf.uint8)
        (self._folder / "sprite.png").write_bytes(tf.io.encode_png(pixels).numpy())
        return height, width
