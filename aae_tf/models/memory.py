"""What a training remembers beside weights and moments."""

from typing import Any

import keras
import numpy as np


def make_memory(values: Any, name: str, of_each: bool = False) -> keras.Variable:
    """Makes a variable that is no weight of any layer, and that replicas hold alike.

    Args:
        values: array of initial values.
        name: name of the variable.
        of_each: whether replicas hold values of their own, of which one who reads gets the sum.

    Returns:
        float32 variable. Held by an object that Keras does not track, it is saved by the model.
    """
    return keras.Variable(
        np.asarray(values, np.float32),
        trainable=False,
        autocast=False,
        aggregation="sum" if of_each else "only_first_replica",
        synchronization="on_read" if of_each else "auto",
        name=name,
    )
