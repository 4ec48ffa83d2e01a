"""Habits of `keras.Model`: hooks that no training calls are refused; class weights of pipelines."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

_TERMS = (
    "give further terms as `extra_terms=[...]`, a list of losses.LossTerm, or return them from the "
    "method `extra_terms`"
)


def check_unknown(arguments: dict[str, Any]) -> None:
    """Refuses arguments that `compile` does not have, and names what is in the place of Keras'."""
    if {"loss", "loss_weights"} & arguments.keys():
        raise TypeError(
            "Expected the loss of the outputs as `reconstruction_loss`, which takes the losses of "
            f"Keras, too, and its factor as `reconstruction_weight`; {_TERMS}. "
            f"Received: {_listed(arguments)}."
        )
    if arguments:
        raise TypeError(f"Expected arguments that `compile` has. Received: {_listed(arguments)}.")


def check_overrides(model: Any) -> None:
    """Refuses a class that overrides what `keras.Model.fit` calls and this package's does not.

    A step makes several updates, and each goes through `sample_codes` and the decoder. A class with
    a `train_step` of its own calls what it likes.

    Args:
        model: a `BaseModel`.

    Raises:
        ValueError: if the class has a `compute_loss` of its own, or a `call` that adds losses to
            the model. Layers of encoder and decoder may add losses.

    Warns:
        UserWarning: if the class has a `call` of its own.
    """
    if _overrides(model, "train_step"):
        return
    name = type(model).__name__
    if _overrides(model, "compute_loss"):
        raise ValueError(
            f"Expected `compute_loss` not to be overridden: no step calls it; {_TERMS}. "
            f"Received: {name}.compute_loss."
        )
    if not _overrides(model, "call"):
        return
    network = model.encoder if model.reconstructs else model.decoder
    # A trace calls it, without an input and without an effect on variables.
    with keras.StatelessScope():
        tf.function(model.call, autograph=False).get_concrete_function(
            tf.TensorSpec([None, *network.input_shape[1:]], tf.float32)
        )
    if _overrides(model, "sample_codes"):
        return
    warnings.warn(
        f"{name} overrides `call`, which training does not go through: it changes predictions "
        "alone. For training override `sample_codes` and `decoder_inputs`.",
        UserWarning,
        stacklevel=3,
    )


def check_add_loss(model: Any) -> None:
    """Refuses `add_loss` of a model, unless its class has a `train_step` of its own.

    Raises:
        ValueError: if the loss would not be counted.
    """
    if _overrides(model, "train_step"):
        return
    raise ValueError(
        "Expected no `add_loss` of the model: training does not go through `call`, and would not "
        f"count it; {_TERMS}, or call `add_loss` of a layer within the encoder or the decoder. "
        f"Received: {type(model).__name__}.add_loss."
    )


def check_callbacks(callbacks: Any) -> None:
    """Refuses a callback that would do half of its work on a model of several optimizers.

    Raises:
        ValueError: if `keras.callbacks.SwapEMAWeights` is among them.
    """
    if any(isinstance(c, keras.callbacks.SwapEMAWeights) for c in keras.tree.flatten(callbacks)):
        raise ValueError(
            "Expected aae_tf.callbacks.SwapEMAWeights, which swaps the weights of all optimizers. "
            "Received: keras.callbacks.SwapEMAWeights, which swaps those of `optimizer` alone."
        )


def add_callbacks(
    callbacks: Any, own: Sequence[keras.callbacks.Callback]
) -> keras.callbacks.CallbackList | list[keras.callbacks.Callback]:
    """Adds callbacks to what `fit` was given as `callbacks`, in any of its forms, as the last."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks.callbacks.extend(own)
        return callbacks
    return [*keras.tree.flatten(callbacks or []), *own]


def weigh_classes(batches: Any, class_weight: Mapping[int, float] | None) -> Any:
    """Gives each row of a pipeline the weight of its class, as Keras does for arrays.

    Keras' own way takes labels for indices, and fails where one is -1.

    Args:
        batches: `tf.data.Dataset` of (inputs, labels).
        class_weight: weights by class; others are 1, and so is that of unknown labels, -1, unless
            it is among them. None weighs nothing.

    Returns:
        Dataset of (inputs, labels, weights); None where nothing is weighed, batches have weights
        already, or labels are no tensor [batch].
    """
    spec = batches.element_spec
    if not class_weight or not isinstance(spec, tuple) or len(spec) != 2:
        return None
    if not isinstance(spec[1], tf.TensorSpec) or spec[1].shape.rank != 1:
        return None
    # The first one is that of label -1, the last one that of labels above all others.
    classes = range(-1, max(class_weight) + 2)
    weights = np.array([class_weight.get(label, 1.0) for label in classes], np.float32)

    def weigh(inputs: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        index = tf.clip_by_value(tf.cast(labels, tf.int32) + 1, 0, len(weights) - 1)
        return inputs, labels, tf.gather(weights, index)

    return batches.map(weigh, num_parallel_calls=tf.data.AUTOTUNE)


def _overrides(model: Any, method: str) -> bool:
    """Tells whether a method is that of a class outside of this package and of Keras."""
    package = getattr(type(model), method).__module__.partition(".")[0]
    return package not in ("keras", __name__.partition(".")[0])


def _listed(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())
