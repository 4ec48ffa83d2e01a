"""Callbacks of a training: an error at NaN, logs for TensorBoard, one bar for all epochs."""

import json
import math
import os
import time
from pathlib import Path

import keras
import tensorflow as tf

from aae_tf.files import write_atomically


class StopAtNaN(keras.callbacks.Callback):
    """Raises if the training or the validation loss is not finite.

    `keras.callbacks.TerminateOnNaN` lets the epoch end as usual, so that it is logged, drawn and
    backed up. Pass this callback to `fit` before those that do so.

    While a float16 training searches for its loss scale, updates are skipped, and an epoch may have
    no measured loss yet; that is no failure. The guard itself raises after too many skips.

    Raises:
        FloatingPointError: from `fit`, naming the epoch.
    """

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Stores the number of the epoch for the message."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Checks the mean loss of the epoch so far."""
        self._check(logs, batch + 1)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Checks the validation loss too: skipped batches count in no training loss."""
        self._check(logs, self.params.get("steps") or math.inf)

    def _check(self, logs: dict[str, float] | None, batches: float) -> None:
        logs = logs or {}
        for key in ("loss", "val_loss"):
            value = logs.get(key, 0.0)
            is_measured = key != "loss" or logs.get("skipped_updates", 0.0) < batches
            if is_measured and not math.isfinite(value):
                raise FloatingPointError(f"{key} became {value} in epoch {self._epoch + 1}.")


class ProcessorClock(keras.callbacks.Callback):
    """Adds up the processor time of a training in a file, over all processes that resumed it.

    Args:
        path: the file, which need not exist; it is written after each epoch.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        before = json.loads(path.read_text()) if path.exists() else 0.0
        self._offset = time.process_time() - 60.0 * before

    @property
    def minutes(self) -> float:
        """Processor time of all threads so far, minutes."""
        return (time.process_time() - self._offset) / 60.0

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes the time so far."""
        self.write()

    def write(self) -> None:
        """Writes the time so far."""
        write_atomically(self._path, json.dumps(self.minutes).encode())


class EpochLogs(keras.callbacks.Callback):
    """Writes the logs of every epoch for TensorBoard, and flushes them when the epoch ends.

    Folders and tags are those of `keras.callbacks.TensorBoard`, which keeps some epochs in memory
    and loses them if the process is killed.

    Args:
        log_dir: directory that gets the folders `train` and `validation`.
    """

    def __init__(self, log_dir: Path) -> None:
        super().__init__()
        self.log_dir = log_dir
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes the numbers of the epoch."""
        # With several devices it is a variable that `float` does not accept.
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


class EpochBar(keras.callbacks.Callback):
    """Shows one progress bar over all epochs of a training, for many short epochs.

    Args:
        verbose: as in `keras.Model.fit`: with 1 the bar moves, with 2 a line is printed at the end.
    """

    def __init__(self, verbose: int) -> None:
        super().__init__()
        self.verbose = verbose

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Starts a bar at zero."""
        self._bar = keras.utils.Progbar(
            self.params["epochs"],
            verbose=self.verbose,
            stateful_metrics=["loss"],
            unit_name="epoch",
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Moves the bar, and shows the loss of this epoch."""
        # All metrics do not fit a line of a terminal, and Keras prints a longer bar anew each time.
        self._bar.update(epoch + 1, [("loss", (logs or {})["loss"])])


def trim_logs(log_dir: Path, epochs: int) -> None:
    """Removes the events of later epochs from the files of TensorBoard.

    Args:
        log_dir: directory of the files, which are in folders; need not exist.
        epochs: number of epochs whose events stay; later epochs are to be trained again.
    """
    for path in sorted(log_dir.rglob("events.out.tfevents.*")):
        records = []
        try:
            for record in tf.data.TFRecordDataset(os.fspath(path)).as_numpy_iterator():
                event = tf.compat.v1.Event.FromString(record)
                if event.WhichOneof("what") == "file_version" or event.step < epochs:
                    records.append(record)
        except tf.errors.DataLossError:
            # A process that is killed while it writes leaves an incomplete last record.
            pass
        trimmed = path.with_name(f"trimmed.{path.name}")
        with tf.io.TFRecordWriter(os.fspath(trimmed)) as writer:
            for record in records:
                writer.write(record)
        trimmed.replace(path)
