"""Which hooks of `keras.Model` a training calls: those that it does not call are refused."""

import warnings
from typing import Any

import keras
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


def _overrides(model: Any, method: str) -> bool:
    """Tells whether a method is that of a class outside of this package and of Keras."""
    package = getattr(type(model), method).__module__.partition(".")[0]
    return package not in ("keras", __name__.partition(".")[0])


def _listed(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())
