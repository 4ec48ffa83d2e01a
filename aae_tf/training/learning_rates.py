"""The learning rates of a model's optimizers while callbacks of Keras change one of them."""

from collections.abc import Mapping
from typing import Any

import keras

_FIRST = "optimizer"


class ProportionalRates(keras.callbacks.Callback):
    """Holds the ratio of all learning rates to that of `model.optimizer`.

    `keras.callbacks.ReduceLROnPlateau`, `LearningRateScheduler` and the like change that one
    alone, and with it the balance of encoder and discriminators. When it has changed, the others
    change by the same factor: at the beginning and at the end of an epoch, after the callbacks
    before this one. A rate that is a schedule, or was itself changed since, stays as it is.

    Args:
        optimizers: by their argument of `compile`; `model.optimizer` is "optimizer".
    """

    def __init__(self, optimizers: Mapping[str, keras.optimizers.Optimizer]) -> None:
        super().__init__()
        self._optimizers = dict(optimizers)
        self._rates: dict[str, float] = {}
        self._ratios: dict[str, float] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Reads the rates, once callbacks that restore them have done so."""
        self._rates, self._ratios = {}, {}
        self._follow()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Follows what callbacks before this one did to the rate."""
        self._follow()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Follows what callbacks before this one did to the rate."""
        self._follow()

    def _follow(self) -> None:
        rates = self._read()
        if _FIRST not in rates:
            return
        first = rates[_FIRST]
        for name, rate in rates.items():
            if rate != self._rates.get(name) and first > 0.0:
                self._ratios[name] = rate / first
            elif name in self._ratios and first != self._rates[_FIRST]:
                self._optimizers[name].learning_rate = self._ratios[name] * first
        self._rates = self._read()

    def _read(self) -> dict[str, float]:
        rates = {name: each.learning_rate for name, each in self._optimizers.items()}
        # That of a schedule is a tensor.
        return {n: float(r.numpy()) for n, r in rates.items() if isinstance(r, keras.Variable)}
