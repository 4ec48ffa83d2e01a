"""The base class of callbacks that draw a figure."""

from __future__ import annotations

import io
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from aae_tf.checks import check_dimension, import_extra
from aae_tf.models import BaseAAE, GenerativeModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class FigureCallback(keras.callbacks.Callback):
    """Writes a figure at the end of every k-th epoch, unless the loss is no longer finite.

    A subclass sets `name`, `needs_encoder` if its figure needs one, and `key_logs`; implements
    `draw`; and may implement `check_model`, which raises before training starts if the model
    cannot be drawn.

    In a notebook the figure is shown below the cell that trains, in the place of the one before,
    unless it is written somewhere.

    Args:
        directory: where `NAME_EPOCH.png` is written, epochs counted from 1; created if absent.
        log_dir: of TensorBoard; the images are its run `NAME`, with the same steps as the scalars
            of `keras.callbacks.TensorBoard`.
        every: k, in epochs.
        title: beginning of the figure's title, such as "AAE on digits"; None takes the model's
            class. The epoch follows, and the first of `key_logs` that there is.

    Attributes:
        key_logs: names of logs; the value on validation data goes before that on training data.

    Raises:
        TypeError: from `fit`, if the model is none of this package, or lacks an encoder that the
            figure needs.
        ValueError: if there is neither `directory` nor `log_dir` outside a notebook, or `every` is
            no positive integer.
        ImportError: if Matplotlib is not installed.
    """

    name: str
    needs_encoder = False
    key_logs: tuple[str, ...] = ("reconstruction_loss", "loss")

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        every: int = 1,
        title: str | None = None,
    ) -> None:
        super().__init__()
        import_extra("matplotlib", "figures")
        self._is_shown = directory is None and log_dir is None
        if self._is_shown and not _is_notebook():
            raise ValueError(
                "Expected `directory` or `log_dir` to be given outside a notebook. "
                "Received: directory=None, log_dir=None."
            )
        self.directory = None if directory is None else Path(directory)
        self.log_dir = None if log_dir is None else Path(log_dir)
        self.every = check_dimension("every", every)
        self.title = title
        self._writer: tf.summary.SummaryWriter | None = None
        self._display: Any = None
        self._headline: str | None = None

    @property
    def headline(self) -> str:
        """Title of the figure: model, epoch, and the number that matters most."""
        return self._headline or self.title or type(self.model).__name__

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
        self._writer = self._display = self._headline = None
        if self.log_dir is not None:
            # The images are a run of their own, as TensorBoard follows only the newest event file
            # of a directory.
            self._writer = tf.summary.create_file_writer(os.fspath(self.log_dir / self.name))

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes the figure after every k-th epoch, if the loss is finite."""
        if (epoch + 1) % self.every or not _is_finite(logs):
            return
        self._headline = self._describe(epoch, logs or {})
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
        if self._is_shown:
            self._show(buffer.getvalue())

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Closes TensorBoard's event file."""
        if self._writer is not None:
            self._writer.close()

    def _describe(self, epoch: int, logs: dict[str, float]) -> str:
        headline = f"{self.title or type(self.model).__name__}, epoch {epoch + 1}"
        for key in self.key_logs:
            for name, data in ((f"val_{key}", " on validation data"), (key, "")):
                if name in logs:
                    return f"{headline}\n{key.replace('_', ' ')} {logs[name]:.4g}{data}"
        return headline

    def _show(self, png: bytes) -> None:
        from IPython.display import Image, display

        if self._display is None:
            self._display = display(Image(png), display_id=True)
        else:
            self._display.update(Image(png))


def _is_notebook() -> bool:
    """Tells whether the process is the kernel of a notebook, without importing IPython."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


def _is_finite(logs: dict[str, float] | None) -> bool:
    # `loss` does not include batches whose updates were skipped; `val_loss` may still be NaN.
    return all(math.isfinite((logs or {}).get(key, 0.0)) for key in ("loss", "val_loss"))
