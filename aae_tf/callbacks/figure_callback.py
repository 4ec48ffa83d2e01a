"""The base class of callbacks that draw a figure."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from aae_tf.checks import check_dimension, import_extra
from aae_tf.models import BaseAAE, GenerativeModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class FigureCallback(keras.callbacks.Callback):
    """Writes a figure at the end of every k-th epoch, unless the loss is no longer finite.

    A subclass sets `name`, and `needs_encoder` if its figure needs one; implements `draw`; and may
    implement `check_model`, which raises before training starts if the model cannot be drawn.

    Args:
        directory: where `NAME_EPOCH.png` is written, epochs counted from 1; created if absent.
        log_dir: of TensorBoard; the images are its run `NAME`, with the same steps as the scalars
            of `keras.callbacks.TensorBoard`.
        every: k, in epochs.

    Raises:
        TypeError: from `fit`, if the model is none of this package, or lacks an encoder that the
            figure needs.
        ValueError: if there is neither `directory` nor `log_dir`, or `every` is no positive
            integer.
        ImportError: if Matplotlib is not installed.
    """

    name: str
    needs_encoder = False

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        every: int = 1,
    ) -> None:
        super().__init__()
        import_extra("matplotlib", "figures")
        if directory is None and log_dir is None:
            raise ValueError(
                "Expected `directory` or `log_dir` to be given. "
                "Received: directory=None, log_dir=None."
            )
        self.directory = None if directory is None else Path(directory)
        self.log_dir = None if log_dir is None else Path(log_dir)
        self.every = check_dimension("every", every)
        self._writer: tf.summary.SummaryWriter | None = None

    def draw(self) -> Figure:
        """Draws the figure of `self.model`."""
        raise NotImplementedError(f"{type(self).__name__} does not implement `draw`.")

    def check_model(self) -> None:
        """Raises where `self.model` cannot be drawn; called before the first step."""

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Checks the model, creates the directory and opens TensorBoard's event file."""
        if not isinstance(self.model, BaseAAE if self.needs_encoder else GenerativeModel):
            encoder = " with an encoder" if self.needs_encoder else ""
            raise TypeError(
                f"Expected {type(self).__name__} to be given to the `fit` of a model of aae_tf"
                f"{encoder}. Received: model={self.model!r}."
            )
        self.check_model()
        if self.directory is not None:
            self.directory.mkdir(parents=True, exist_ok=True)
        self._writer = None
        if self.log_dir is not None:
            # The images are a run of their own, as TensorBoard follows only the newest event file
            # of a directory.
            self._writer = tf.summary.create_file_writer(os.fspath(self.log_dir / self.name))

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes the figure after every k-th epoch, if the loss is finite."""
        if (epoch + 1) % self.every or not _is_finite(logs):
            return
        buffer = io.BytesIO()
        self.draw().savefig(buffer)
        if self.directory is not None:
            path = self.directory / f"{self.name}_{epoch + 1:04d}.png"
            path.write_bytes(buffer.getvalue())
        if self._writer is not None:
            pixels = tf.io.decode_png(buffer.getvalue(), channels=3)
            with self._writer.as_default():
                tf.summary.image(self.name, pixels[tf.newaxis], step=epoch)
            self._writer.flush()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Closes TensorBoard's event file."""
        if self._writer is not None:
            self._writer.close()


def _is_finite(logs: dict[str, float] | None) -> bool:
    # `loss` does not include batches whose updates were skipped; `val_loss` may still be NaN.
    return all(math.isfinite((logs or {}).get(key, 0.0)) for key in ("loss", "val_loss"))
