"""Constructor arguments of models as values for a config, and back."""

from typing import Any

import keras
import numpy as np
import tensorflow_probability as tfp

from aae_tf import priors


def serialize_argument(value: Any) -> Any:
    """Returns an argument in JSON types: a distribution, a Keras object, an array or a plain value.

    Raises:
        ValueError: if a distribution cannot be saved; the message says why.
    """
    if isinstance(value, tfp.distributions.Distribution):
        return priors.serialize(value)
    if isinstance(value, np.ndarray):
        return value.tolist()
    return keras.saving.serialize_keras_object(value)


def deserialize_argument(config: Any) -> Any:
    """Returns the argument that `serialize_argument` wrote; an array comes back as lists."""
    if isinstance(config, dict):
        if config.keys() == {"type", "arguments"}:
            return priors.deserialize(config)
        return keras.saving.deserialize_keras_object(config)
    return config
