"""How far outputs are from inputs, example by example."""

from collections.abc import Callable

import keras
import tensorflow as tf

Identifier = str | Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

_NAMES = ("half_squared_error", "bernoulli")


class ReconstructionLoss:
    """Decodes codes and compares the outputs with the inputs.

    "half_squared_error": 0.5 |x - x'|^2, nats of a Gaussian with unit variance up to a constant.
    "bernoulli": -sum_j [x_j log x'_j + (1 - x_j) log(1 - x'_j)], nats, for x in [0, 1]; computed
    from logits where the decoder ends in a sigmoid `keras.layers.Activation`, as this package's
    decoders do, else from probabilities clipped to [1e-7, 1 - 1e-7].
    A callable of (inputs, outputs) returns losses whose first axis is the batch.
    All are summed over every axis but the first.

    Args:
        identifier: a name above or a callable.
        decoder: the network that makes the outputs.

    Raises:
        ValueError: if the name is unknown, or the callable does not keep the batch axis.
        TypeError: if `identifier` is neither a name nor callable.

    References:
        Makhzani et al. 2016, appendix A ("the Euclidean cost", half the squared distance).
    """

    def __init__(self, identifier: Identifier, decoder: keras.Model) -> None:
        if not isinstance(identifier, str) and not callable(identifier):
            raise TypeError(
                "Expected `reconstruction_loss` to be a name or a callable. "
                f"Received: reconstruction_loss={identifier!r}."
            )
        if isinstance(identifier, str) and identifier not in _NAMES:
            raise ValueError(
                f"Expected `reconstruction_loss` to be one of {', '.join(map(repr, _NAMES))}, or a "
                f"callable. Received: reconstruction_loss={identifier!r}."
            )
        self._decode = decoder
        self._compare: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
        if not isinstance(identifier, str):
            self._compare = identifier
            self._check_rank(decoder)
        elif identifier == "half_squared_error":
            self._compare = _half_squared_error
        elif _ends_in_sigmoid(decoder):
            self._decode = _without_last_layer(decoder)
            self._compare = _bernoulli_from_logits
        else:
            self._compare = _bernoulli_from_probabilities

    def __call__(
        self, inputs: tf.Tensor, decoder_inputs: tf.Tensor, training: bool = False
    ) -> tf.Tensor:
        """Returns the loss of each example, float32 [batch]."""
        outputs = tf.cast(self._decode(decoder_inputs, training=training), tf.float32)
        losses = self._compare(tf.cast(inputs, tf.float32), outputs)
        return tf.reduce_sum(losses, axis=tuple(range(1, losses.shape.rank)))

    def _check_rank(self, decoder: keras.Model) -> None:
        example = tf.zeros((2, *decoder.output_shape[1:]))
        losses = tf.convert_to_tensor(self._compare(example, example))
        if losses.shape.rank == 0 or losses.shape[0] != 2:
            raise ValueError(
                "Expected `reconstruction_loss` to return losses whose first axis is the batch "
                "(a keras.losses.Loss needs reduction=None). "
                f"Received: shape={tuple(losses.shape)} for a batch of 2."
            )


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
