"""Ends a training that has no result any more."""

import math

import keras


class StopAtNaN(keras.callbacks.Callback):
    """Raises where the loss, or that of the validation, is not finite.

    `keras.callbacks.TerminateOnNaN` ends the epoch in peace: it would be logged, drawn and backed
    up. Give this one to `fit` before the callbacks that do so.

    While float16 looks for the scale of its loss, updates are skipped, and an epoch may have
    measured nothing yet: that is no failure. A guard that has skipped too many raises itself.

    Raises:
        FloatingPointError: from `fit`, with the epoch.
    """

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Notes the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Looks at the loss so far in the epoch."""
        self._check(logs, batch + 1)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Looks at the validation as well: batches whose updates are skipped count in no loss."""
        self._check(logs, self.params.get("steps") or math.inf)

    def _check(self, logs: dict[str, float] | None, batches: float) -> None:
        logs = logs or {}
        for key in ("loss", "val_loss"):
            value = logs.get(key, 0.0)
            is_measured = key != "loss" or logs.get("skipped_updates", 0.0) < batches
            if is_measured and not math.isfinite(value):
                raise FloatingPointError(f"{key} became {value} in epoch {self._epoch + 1}.")
