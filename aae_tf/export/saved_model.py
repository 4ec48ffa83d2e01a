"""Writes a SavedModel that TensorFlow Serving can restore: one handle for each weight."""

import os
from collections.abc import Iterable

import keras
import tensorflow as tf

from aae_tf.export.exportable import Signature

DEFAULT_SIGNATURE = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY


class _Servable(tf.Module):
    """Tracks the raw variables and the traced functions, and no Keras object.

    A Keras model below an exported module gets a second handle for each variable; the session
    loader restores that one, while the functions read the first.
    """

    def __init__(
        self,
        variables: Iterable[keras.Variable],
        functions: dict[str, tf.types.experimental.ConcreteFunction],
    ) -> None:
        super().__init__()
        self.weights = [variable.value for variable in variables]
        self.functions = functions


def write_saved_model(
    path: str | os.PathLike[str],
    signatures: dict[str, Signature],
    variables: Iterable[keras.Variable],
) -> None:
    """Writes signatures with the variables that they read.

    Args:
        path: directory to write.
        signatures: what to serve, by name; the first is also the default signature.
        variables: a superset of the variables that the signatures read; the rest is left out.

    Raises:
        ValueError: if a signature reads a variable that is not in `variables`.
    """
    functions = {name: signature.graph for name, signature in signatures.items()}
    captured = {
        id(handle) for function in functions.values() for handle in function.captured_inputs
    }
    read = [variable for variable in variables if id(variable.value.handle) in captured]
    default = next(iter(functions.values()))
    tf.saved_model.save(
        _Servable(read, functions),
        os.fspath(path),
        signatures={DEFAULT_SIGNATURE: default, **functions},
    )
