"""Scalars of every epoch for TensorBoard, and what goes on writing them."""

import os
from pathlib import Path

import keras
import tensorflow as tf


class EpochLogs(keras.callbacks.Callback):
    """Writes the logs of every epoch to `train` and `validation`, on the disk when it ends.

    As `keras.callbacks.TensorBoard` names them, which keeps some epochs in memory and would lose
    them when it is killed.

    Args:
        log_dir: where TensorBoard looks.
    """

    def __init__(self, log_dir: Path) -> None:
        super().__init__()
        self.log_dir = log_dir
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes the numbers of the epoch."""
        # Of several devices it is a variable that Python takes for no number.
        rate = tf.convert_to_tensor(self.model.optimizer.learning_rate)
        scalars = {"learning_rate": float(rate), **(logs or {})}
        for key, value in scalars.items():
            name = key.removeprefix("val_")
            with self._writer("train" if name == key else "validation").as_default(step=epoch):
                tf.summary.scalar(f"epoch_{name}", value)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Closes the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _writer(self, run: str) -> tf.summary.SummaryWriter:
        if run not in self._writers:
            path = os.fspath(self.log_dir / run)
            self._writers[run] = tf.summary.create_file_writer(path)
        return self._writers[run]


def trim_logs(log_dir: Path, epochs: int) -> None:
    """Removes from the files of TensorBoard what is not of the first epochs.

    Args:
        log_dir: where they are, in folders; need not exist.
        epochs: how many epochs stay; those from this number on are trained again.
    """
    for path in sorted(log_dir.rglob("events.out.tfevents.*")):
        kept = []
        try:
            for record in tf.data.TFRecordDataset(os.fspath(path)).as_numpy_iterator():
                event = tf.compat.v1.Event.FromString(record)
                if event.WhichOneof("what") == "file_version" or event.step < epochs:
                    kept.append(record)
        except tf.errors.DataLossError:
            # The last record of a process that was killed while it wrote.
            pass
        trimmed = path.with_name(f"trimmed.{path.name}")
        with tf.io.TFRecordWriter(os.fspath(trimmed)) as writer:
            for record in kept:
                writer.write(record)
        trimmed.replace(path)
