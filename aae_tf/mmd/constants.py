"""Constants of a graph: what is computed once per trace, outside the traced function."""

from collections.abc import Callable
from typing import TypeVar

import tensorflow as tf

_Result = TypeVar("_Result")


def lift(build: Callable[[], _Result], *sources: tf.Module) -> _Result:
    """Runs `build` eagerly, once per trace, if the parameters of `sources` cannot change.

    While a `tf.function` is traced, the result then holds eager tensors, which `constant` writes
    into the graph. If a parameter is a variable or a tensor of that graph, or if nothing is traced,
    `build` runs where it is called, so that gradients reach the parameters.

    Args:
        build: function without arguments.
        sources: distributions and kernels whose parameters `build` reads.

    Returns:
        What `build` returns.
    """
    if tf.executing_eagerly() or any(source.variables for source in sources):
        return build()
    try:
        with tf.init_scope():
            return build()
    except TypeError:
        # TensorFlow raises this for an eager operation on a tensor of the graph.
        return build()


def constant(value: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Casts `value` to `dtype`; in a graph, an eager tensor becomes a constant of that graph.

    Args:
        value: tensor of any floating dtype.
        dtype: dtype of the result.

    Returns:
        Tensor of the shape of `value`.
    """
    known = None if tf.executing_eagerly() else tf.get_static_value(value)
    return tf.cast(value, dtype) if known is None else tf.constant(known, dtype)
