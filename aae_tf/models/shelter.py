"""What a batch changes before it is judged."""

from collections.abc import Iterable, Sequence

import keras
import tensorflow as tf


class Shelter:
    """Keeps moving averages and the like from batches that are left out.

    An object of its own, since Keras would take variables in an attribute of a model for more
    weights of that model.

    Args:
        variables: those of layers that no gradient moves; others than floating ones, the states of
            random generators, go on with every batch.
    """

    def __init__(self, variables: Iterable[keras.Variable] = ()) -> None:
        self._variables = [v for v in variables if tf.as_dtype(v.dtype).is_floating]

    def keep(self) -> list[tf.Tensor]:
        """Returns the values before a batch."""
        return [tf.identity(variable.value) for variable in self._variables]

    def restore(self, values: Sequence[tf.Tensor], accepted: tf.Tensor) -> None:
        """Puts these back unless the batch was accepted."""
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(tf.where(accepted, variable.value, value))
