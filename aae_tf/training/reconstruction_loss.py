"""How far outputs are from targets, example by example."""

import math
import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from aae_tf.losses import ColumnLosses, StandardizedError
from aae_tf.tables.schema import TableSchema

Function: TypeAlias = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
Identifier: TypeAlias = str | Function | keras.losses.Loss | type[keras.losses.Loss]

_NAMES = ("half_squared_error", "bernoulli")


class ReconstructionLoss:
    """Decodes codes and compares the outputs with the targets, example by example.

    "half_squared_error": 0.5 |x - x'|^2, nats of a Gaussian with unit variance up to a constant.
    "bernoulli": -sum_j [x_j log x'_j + (1 - x_j) log(1 - x'_j)], nats, for x in [0, 1]; computed
    from logits where the decoder ends in a sigmoid `keras.layers.Activation`, as this package's
    decoders do, else from probabilities clipped to [1e-7, 1 - 1e-7].
    A callable of (targets, outputs) returns losses whose first axis is the batch.
    These three are summed over every axis but the first.

    A loss of Keras gives the number that Keras itself would log. Its name ("mse", "mae",
    "mean_squared_error"), its function and its class, as well as an instance whose `reduction` is
    "sum_over_batch_size" or another mean, are averaged over every axis but the first: "mse" is
    "half_squared_error" divided by half the number of features. With `reduction` "sum" or None
    they are summed over them. The batch is averaged over in any case.

    Args:
        identifier: one of the above.
        decoder: the network that makes the outputs.

    Attributes:
        identifier: the argument; an instance where a class of Keras was given.
        num_summed: how many features the loss of an example is the sum over; 1 for their mean.

    Raises:
        ValueError: if the name is unknown, or the callable does not keep the batch axis.
        TypeError: if `identifier` is none of the above.

    Warns:
        UserWarning: if outputs are taken for probabilities, and the decoder ends linearly.

    References:
        Makhzani et al. 2016, appendix A ("the Euclidean cost", half the squared distance).
    """

    def __init__(self, identifier: Any, decoder: keras.Model) -> None:
        if not isinstance(identifier, str) and not callable(identifier):
            raise TypeError(
                "Expected `reconstruction_loss` to be a name, a loss of Keras or a callable. "
                f"Received: reconstruction_loss={identifier!r}."
            )
        if isinstance(identifier, type) and issubclass(identifier, keras.losses.Loss):
            identifier = identifier()
        self.identifier: Identifier = identifier
        self._decode = decoder
        self._activation: Callable[[tf.Tensor], tf.Tensor] = tf.identity
        self._reduce = tf.reduce_sum
        self._compare: Function
        if identifier == "half_squared_error":
            self._compare = _half_squared_error
        elif identifier == "bernoulli" and _ends_in_sigmoid(decoder):
            self._decode = _without_last_layer(decoder)
            self._activation = tf.sigmoid
            self._compare = _bernoulli_from_logits
        elif identifier == "bernoulli":
            if output_activation(decoder) is keras.activations.linear:
                warnings.warn(
                    "The decoder ends linearly, and reconstruction_loss='bernoulli' takes its "
                    "outputs for probabilities, clipped to [0, 1]. End it in a sigmoid, "
                    "output_activation='sigmoid', or take 'half_squared_error'.",
                    UserWarning,
                    stacklevel=4,
                )
            self._compare = _bernoulli_from_probabilities
        else:
            self._compare, self._reduce = _resolve(identifier)
            self._check_rank(decoder)

        is_sum = self._reduce is tf.reduce_sum
        self.num_summed: int = math.prod(decoder.output_shape[1:]) if is_sum else 1

    def decode(self, decoder_inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns what `losses` compares: the decoder's outputs or their logits, float32."""
        return tf.cast(self._decode(decoder_inputs, training=training), tf.float32)

    def outputs(self, decoded: tf.Tensor) -> tf.Tensor:
        """Returns the decoder's outputs, float32, from what `decode` gave."""
        return self._activation(decoded)

    def losses(self, targets: tf.Tensor, decoded: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each example, float32 [batch], from what `decode` gave."""
        losses = self._compare(tf.cast(targets, tf.float32), decoded)
        return self._reduce(losses, axis=tuple(range(1, losses.shape.rank)))

    def _check_rank(self, decoder: keras.Model) -> None:
        example = tf.zeros((2, *decoder.output_shape[1:]))
        losses = tf.convert_to_tensor(self._compare(example, example))
        if losses.shape.rank == 0 or losses.shape[0] != 2:
            raise ValueError(
                "Expected `reconstruction_loss` to return losses whose first axis is the batch. "
                f"Received: shape={tuple(losses.shape)} for a batch of 2."
            )


def _resolve(identifier: Any) -> tuple[Function, Callable[..., tf.Tensor]]:
    """Returns a comparison without a reduction, and the reduction over features."""
    if isinstance(identifier, str):
        try:
            identifier = keras.losses.get(identifier)
        except ValueError:
            raise ValueError(
                f"Expected `reconstruction_loss` to be one of {', '.join(map(repr, _NAMES))}, the "
                "name of a loss of Keras such as 'mse', or a callable. "
                f"Received: reconstruction_loss={identifier!r}."
            ) from None
    if isinstance(identifier, keras.losses.Loss):
        is_sum = identifier.reduction in (None, "none", "sum")
        return identifier.call, tf.reduce_sum if is_sum else tf.reduce_mean
    is_of_keras = str(getattr(identifier, "__module__", None)).partition(".")[0] == "keras"
    return identifier, tf.reduce_mean if is_of_keras else tf.reduce_sum


def _half_squared_error(inputs: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    return 0.5 * tf.math.squared_difference(inputs, outputs)


def _bernoulli_from_logits(inputs: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=inputs, logits=logits)


def _bernoulli_from_probabilities(inputs: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    outputs = tf.clip_by_value(outputs, 1e-7, 1.0 - 1e-7)
    return -inputs * tf.math.log(outputs) - (1.0 - inputs) * tf.math.log1p(-outputs)


def _without_last_layer(decoder: keras.Model) -> keras.Model:
    if isinstance(decoder, keras.Sequential):
        return keras.Sequential([keras.Input(decoder.input_shape[1:]), *decoder.layers[:-1]])
    return keras.Model(decoder.inputs[0], decoder.layers[-1].input)


def _ends_in_sigmoid(decoder: keras.Model) -> bool:
    last = decoder.layers[-1]
    return (
        isinstance(last, keras.layers.Activation) and last.activation is keras.activations.sigmoid
    )


def default_loss(table: TableSchema | None, decoder: keras.Model) -> Any:
    """Returns the `reconstruction_loss` that a model takes where it is given none.

    Args:
        table: the columns of the inputs, or None.
        decoder: the network that makes the outputs.

    Returns:
        `losses.ColumnLosses` of a table; `losses.StandardizedError` where the decoder ends in an
        inverted normalization; else "half_squared_error".
    """
    if table is not None:
        return ColumnLosses(table)
    return StandardizedError.of_decoder(decoder) or "half_squared_error"


def output_activation(network: keras.Model) -> Callable[..., Any] | None:
    """Returns the activation that a network's outputs come from, as far as its layers tell.

    Args:
        network: Keras model.

    Returns:
        A function of `keras.activations`; None if it is not known.
    """
    for layer in reversed(network.layers):
        if isinstance(layer, keras.Model):
            return output_activation(layer)
        if hasattr(layer, "activation"):
            return layer.activation
        if not isinstance(layer, keras.layers.Reshape | keras.layers.Flatten):
            return None
    return None
