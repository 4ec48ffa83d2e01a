"""What `fit`, `evaluate` and `predict` make of arrays in memory: batches of a pipeline of our own.

Keras' own pipeline is tuned by tf.data while steps run, on threads that the steps need.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from aae_tf.data.batches import array_batches
from aae_tf.data.conversions import is_pipeline
from aae_tf.models.hooks_of_keras import weigh_classes


def batch_training_arrays(
    arguments: dict[str, Any], generator: Callable[[int], np.random.Generator]
) -> dict[str, Any]:
    """Makes batches of the arrays among the arguments of `keras.Model.fit`.

    What Keras makes of its arguments is kept: the rows of `validation_split` are the last ones,
    before anything is shuffled, and `steps_per_epoch` gives the size of batches where there is no
    `batch_size`. What Keras refuses is handed on to it as it is.

    Args:
        arguments: of `fit`, by name, checked; inputs are an array or a pipeline.
        generator: function from the number of an epoch to what shuffles it.

    Returns:
        Arguments to the same effect, with batches in place of arrays.
    """
    given, arguments = arguments, dict(arguments)
    validation_size = arguments.get("validation_batch_size") or arguments.get("batch_size")
    columns = [arguments["x"], arguments.get("y"), arguments.get("sample_weight")]
    if not is_pipeline(arguments["x"]):
        split = arguments.get("validation_split")
        if split and arguments.get("validation_data") is None:
            first = math.floor(len(columns[0]) * (1.0 - split))
            if not 0 < first < len(columns[0]):
                return given
            arguments["validation_data"] = _rows(columns, slice(first, None))
            columns = _rows(columns, slice(first))
        batches = _batches(
            columns,
            arguments.get("batch_size"),
            arguments.get("steps_per_epoch"),
            generator,
            arguments.get("shuffle", True),
        )
        if arguments.get("class_weight"):
            # As Keras does: held-out rows are not weighed.
            batches = weigh_classes(batches, arguments["class_weight"])
            if batches is None:
                return given
        arguments["x"] = batches
        for name in ("y", "sample_weight", "class_weight", "validation_split", "batch_size"):
            arguments.pop(name, None)
        arguments["shuffle"] = False
    validation = arguments.get("validation_data")
    if validation is not None and not is_pipeline(validation):
        columns = keras.utils.unpack_x_y_sample_weight(validation)
        if not is_pipeline(columns[0]):
            arguments["validation_data"] = _batches(
                columns, validation_size, arguments.get("validation_steps")
            )
            arguments.pop("validation_batch_size", None)
    return arguments


def batch_arrays(arguments: dict[str, Any]) -> dict[str, Any]:
    """Makes batches of the arrays among the arguments of `evaluate` or `predict`, in their order.

    Args:
        arguments: by name, checked; inputs are an array or a pipeline.

    Returns:
        Arguments to the same effect, with batches in place of arrays.
    """
    if is_pipeline(arguments["x"]):
        return arguments
    arguments = dict(arguments)
    columns = [arguments.pop(name, None) for name in ("x", "y", "sample_weight")]
    size = arguments.pop("batch_size", None)
    return {**arguments, "x": _batches(columns, size, arguments.get("steps"))}


def _batches(
    columns: Any,
    batch_size: int | None,
    steps: int | None,
    generator: Callable[[int], np.random.Generator] = np.random.default_rng,
    shuffle: Any = False,
) -> Any:
    if not batch_size:
        # As Keras does.
        batch_size = math.ceil(len(columns[0]) / steps) if steps else 32
    packed = keras.utils.pack_x_y_sample_weight(*columns)
    return array_batches(packed, batch_size, generator, shuffle)


def _rows(columns: Any, rows: slice) -> Any:
    """Takes rows of inputs, of labels and targets, and of weights, where there are any."""
    return keras.tree.map_structure(lambda part: None if part is None else part[rows], columns)
