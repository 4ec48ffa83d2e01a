"""Inputs to try a signature with."""

import numpy as np
import tensorflow as tf

from aae_tf.export.exportable import Signature

# What an integer input may be: a class that is drawn, or one that every model with classes has.
_RANGES = {"seed": (-(2**63), 2**63 - 1), "label": (-1, 2)}


def example_inputs(
    signature: Signature, batch: int, generator: np.random.Generator
) -> dict[str, np.ndarray]:
    """Draws inputs of a signature.

    Args:
        signature: what they are for.
        batch: number of rows.
        generator: what draws them.

    Returns:
        Arrays [batch, ...] by name, floats in [0, 1).
    """

    def draw(spec: tf.TensorSpec) -> np.ndarray:
        shape = (batch, *spec.shape[1:])
        if spec.dtype == tf.int64:
            return generator.integers(*_RANGES[spec.name], shape)
        return generator.random(shape).astype(spec.dtype.as_numpy_dtype)

    return {name: draw(spec) for name, spec in signature.inputs.items()}
