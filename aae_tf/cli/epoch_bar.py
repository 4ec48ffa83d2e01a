"""One bar for many short epochs."""

import keras


class EpochBar(keras.callbacks.Callback):
    """Shows Keras' progress bar over the epochs of a training, in place of one bar per epoch.

    Args:
        verbose: as in `keras.Model.fit`: 1 moves the bar, 2 prints one line at the end.
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
        # All metrics would not fit a line of a terminal, and a longer bar draws itself over again.
        self._bar.update(epoch + 1, [("loss", (logs or {})["loss"])])
