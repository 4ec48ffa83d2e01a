"""`nan_rows`: what makes every answer for a row that is not finite say so."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf


def nan_rows(function: Callable[..., Any]) -> Callable[..., Any]:
    """Lets a function answer a row that is not finite with NaN, and no other row differently.

    NaN does not travel through every network: in a graph on CPU, a `Dense` layer with relu may
    turn it into a finite number, and the row gets the answer of a typical one. Here rows are
    looked at in the inputs. Nothing is asserted, so that one row does not fail its batch.

    Args:
        function: tensors [batch, ...] of one batch size and of known ranks to a tensor
            [batch, ...] or a dict of such; row i of each result depends on row i of the arguments
            alone. Arguments that are no tensors are handed on.

    Returns:
        The same function, but for rows of which any floating argument holds NaN or infinity:
        floating results are NaN there, integers, such as the number of a class, are -1, and text
        is empty.

    Example:

    >>> argmax = nan_rows(lambda x: {"id": tf.argmax(x, axis=1), "top": tf.reduce_max(x, axis=1)})
    >>> results = argmax(tf.constant([[1.0, 2.0], [np.inf, 0.0]]))
    >>> results["id"].numpy(), results["top"].numpy()
    (array([ 1, -1]), array([ 2., nan], dtype=float32))
    """

    @functools.wraps(function)
    def masked(*args: Any, **kwargs: Any) -> Any:
        results = function(*args, **kwargs)
        finite = [
            tf.reduce_all(tf.math.is_finite(tensor), axis=range(1, tensor.shape.rank))
            for tensor in tf.nest.flatten((args, kwargs))
            if tf.is_tensor(tensor) and tensor.dtype.is_floating
        ]
        if not finite:
            return results
        is_finite = functools.reduce(tf.logical_and, finite)
        return tf.nest.map_structure(lambda result: _where(is_finite, result), results)

    return masked


def _where(is_finite: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    value = "" if rows.dtype == tf.string else np.nan if rows.dtype.is_floating else -1
    missing = tf.constant(value, rows.dtype)
    # This form of `where` copies whole rows; `tf.where` broadcasts, and took as long or longer in
    # exported encoders. A sum with 0 * inputs may be simplified away when a graph is rewritten.
    return tf.compat.v1.where(is_finite, rows, tf.fill(tf.shape(rows), missing))
