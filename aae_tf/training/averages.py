"""The moving averages of weights that optimizers hold, in the place of the weights."""

import contextlib
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf

from aae_tf.training.updater import Updater


class AveragedWeights:
    """Exchanges weights and their moving averages, those of all optimizers together.

    Keras does so for the weights of `model.optimizer` alone. A weight that two optimizers move, as
    an encoder's in the alternating schedule, takes the average of the one that moves it last.

    Args:
        updaters: in the order of their updates.

    Attributes:
        exist: whether an optimizer averages weights, `use_ema`.
    """

    def __init__(self, updaters: Sequence[Updater]) -> None:
        self.exist = any(updater.averages_weights for updater in updaters)
        self._updaters = updaters
        self._are_in_use = False

    def use(self, in_use: bool) -> None:
        """Puts the averages in the place of the weights, or the weights back; once is enough."""
        if in_use != self._are_in_use:
            for weight, average in self._pairs():
                value = tf.identity(weight.value)
                weight.assign(average.value)
                average.assign(value)
        self._are_in_use = in_use

    @contextlib.contextmanager
    def finalized(self, optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
        """Makes Keras keep the averages of all optimizers when `fit` ends, within this context.

        Args:
            optimizer: `model.optimizer`, to which Keras hands all weights of the model then.

        Yields:
            None.
        """
        if not self.exist:
            yield
            return
        # An evaluation may have been interrupted.
        self.use(False)
        vars(optimizer)["finalize_variable_values"] = lambda weights: self._finalize()
        try:
            yield
        finally:
            vars(optimizer).pop("finalize_variable_values", None)
            self.use(False)

    def _finalize(self) -> None:
        self.use(True)
        for weight, average in self._pairs():
            average.assign(weight.value)
        self._are_in_use = False

    def _pairs(self) -> list[tuple[keras.Variable, keras.Variable]]:
        pairs = {id(pair[0]): pair for each in self._updaters for pair in each.averages()}
        return list(pairs.values())
