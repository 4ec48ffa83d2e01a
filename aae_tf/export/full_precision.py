"""Exports compute in float32, whatever a model was trained in."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

_MIXED = {"float16": "mixed_float16", "bfloat16": "mixed_bfloat16"}


@contextlib.contextmanager
def full_precision(model: Any) -> Iterator[None]:
    """Lets the layers of a mixed-precision model compute in float32 until the end of the block.

    A mixed policy keeps weights in float32 and rounds them before each product. What is traced
    within the block leaves the rounding out, on the same weights. Layers of any other policy, and
    casts that a layer of the user's own writes out, stay as they are.

    Args:
        model: what is traced in the block; no other thread may use it meanwhile. An object that
            is no Keras layer is left as it is.

    Example:

    >>> layer = keras.layers.Dense(2, dtype="mixed_bfloat16")
    >>> model = keras.Sequential([keras.Input((3,)), layer])
    >>> with full_precision(model):
    ...     print(layer.compute_dtype)
    float32
    >>> layer.compute_dtype
    'bfloat16'
    """
    layers = model._flatten_layers() if isinstance(model, keras.Layer) else ()
    mixed = [
        (layer, _MIXED[layer.compute_dtype])
        for layer in layers
        if layer.compute_dtype in _MIXED
        and layer.variable_dtype == "float32"
        and layer.quantization_mode is None
    ]
    try:
        for layer, _ in mixed:
            layer.dtype_policy = "float32"
        yield
    finally:
        for layer, policy in mixed:
            layer.dtype_policy = policy
