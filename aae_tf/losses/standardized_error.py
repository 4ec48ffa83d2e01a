"""`StandardizedError`: half the squared error in units of each column's standard deviation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf.checks import check_positive


@keras.saving.register_keras_serializable(package="aae_tf")
class StandardizedError:
    """Compares inputs with outputs in units of each column: 0.5 ((x - x') / deviation)^2.

    Columns lie along the last axis. It is the default `reconstruction_loss` of a model whose
    decoder ends in `keras.layers.Normalization(invert=True)`, whose inputs and outputs have units
    of their own: a column counts as much whether it is given in volts or in kilovolts, and the loss
    is that of "half_squared_error" on standardized data.

    Args:
        deviations: the standard deviation of each column, positive.
        names: names of the columns, which `model.column_names` then has; None of no names.

    Raises:
        ValueError: if there is no deviation, or one is not positive and finite, or there are not
            as many names.

    Example:

    >>> loss = StandardizedError([2.0, 100.0])
    >>> loss(np.zeros((1, 2), "float32"), np.float32([[2.0, 50.0]])).numpy()
    array([[0.5  , 0.125]], dtype=float32)
    """

    def __init__(self, deviations: Sequence[float], names: Sequence[str] | None = None) -> None:
        self.deviations = tuple(float(check_positive("deviations", each)) for each in deviations)
        if not self.deviations:
            raise ValueError("Expected `deviations` of one column or more. Received: none.")
        self.names = None if names is None else tuple(names)
        if self.names is not None and len(self.names) != len(self.deviations):
            raise ValueError(
                f"Expected `names` of {len(self.deviations)} columns. Received: names={self.names}."
            )
        self._scales = np.array(self.deviations, np.float32)

    @classmethod
    def of_decoder(cls, decoder: keras.Model) -> StandardizedError | None:
        """Makes the loss in the units that a decoder gives back at its end, or None.

        Args:
            decoder: built Keras model, whose last layer may be a `keras.layers.Normalization` with
                `invert=True` along the last axis, or with one scale for all axes.
        """
        layer: Any = decoder
        while isinstance(layer, keras.Model):
            layer = layer.layers[-1] if layer.layers else None
        if not isinstance(layer, keras.layers.Normalization) or not layer.invert:
            return None
        last = len(decoder.output_shape) - 1
        if layer.axis not in ((), (-1,), (last,)):
            return None
        variance = np.ravel(keras.ops.convert_to_numpy(layer.variance))
        # The layer divides by no less either.
        deviations = np.maximum(np.sqrt(variance), keras.backend.epsilon())
        return cls(np.broadcast_to(deviations, decoder.output_shape[-1:]).tolist())

    def __call__(self, targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each number, float32 [batch, ..., columns]; a step sums it."""
        return 0.5 * tf.square((targets - outputs) / self._scales)

    def per_column(self, targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each number in a row, float32 [batch, numbers], in their order."""
        losses = self(targets, outputs)
        return tf.reshape(losses, [-1, int(np.prod(losses.shape[1:]))])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        names = None if self.names is None else list(self.names)
        return {"deviations": list(self.deviations), "names": names}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> StandardizedError:
        """Builds the loss from what `get_config` returned."""
        return cls(**config)
