"""Signatures in plain Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo

Signatures: TypeAlias = dict[str, dict[str, dict[str, dict[str, Any]]]]


def to_python(signatures: Mapping[str, SignatureDef]) -> Signatures:
    """Writes signatures as dicts.

    Args:
        signatures: Messages by the signature's name.

    Returns:
        Dicts by the signature's name, whose "inputs" and "outputs" hold for each array its
        "dtype", as NumPy names it ("string" for bytes), and its "shape", a tuple with None for
        sizes that are free, or None if the rank is. What initialises the model is left out.

    Example:

        >>> info = TensorInfo(dtype=1)
        >>> to_python({"encode": SignatureDef(inputs={"x": info})})
        {'encode': {'inputs': {'x': {'dtype': 'float32', 'shape': ()}}, 'outputs': {}}}
    """
    return {
        name: {
            "inputs": {key: _describe(signature.inputs[key]) for key in sorted(signature.inputs)},
            "outputs": {
                key: _describe(signature.outputs[key]) for key in sorted(signature.outputs)
            },
        }
        for name, signature in sorted(signatures.items())
        # The exporter's own, of no use to a client.
        if name != "__saved_model_init_op"
    }


def _describe(info: TensorInfo) -> dict[str, Any]:
    sizes = (None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim)
    shape = None if info.tensor_shape.unknown_rank else tuple(sizes)
    return {"dtype": tf.as_dtype(info.dtype).name, "shape": shape}
