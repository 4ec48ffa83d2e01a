"""Proves that two independent loaders answer the same of a SavedModel."""

import os

import numpy as np
import tensorflow as tf

from aae_tf.export.c_api_session import CApiSession
from aae_tf.export.example_inputs import example_inputs
from aae_tf.export.exportable import ExportError, Signature
from aae_tf.export.meta_graph import all_nodes, read_meta_graph
from aae_tf.export.saved_model_session import SavedModelSession
from aae_tf.export.verification import ABSOLUTE, RELATIVE

# What the rewriting of a graph, which the loaders are configured for apart, may change where it
# computes in a type of low precision: a fused operation rounds once and its parts each time.
_ROUNDINGS = 8
_SPACING = {tf.bfloat16: 2.0**-7, tf.float16: 2.0**-10}


def compare_loaders(
    path: str | os.PathLike[str], signatures: dict[str, Signature], seed: int = 0
) -> None:
    """Runs every signature through the C++ loader and compares it with the session loader.

    Args:
        path: directory of the SavedModel.
        signatures: what it was made from.
        seed: seed of the random inputs.

    Raises:
        ExportError: if the C++ loader does not load it or does not run a signature, with the
            code and text of the C++ runtime, or if an answer differs.
    """
    generator = np.random.default_rng(seed)
    relative, absolute = _tolerances(path)
    try:
        with CApiSession(path) as other, SavedModelSession(path) as session:
            for name, signature in signatures.items():
                inputs = example_inputs(signature, 3, generator)
                expected, found = session.run(name, inputs), other.run(name, inputs)
                for output, value in expected.items():
                    if not np.allclose(found[output], value, relative, absolute, equal_nan=True):
                        raise ExportError(
                            f"Output {output!r} of signature {name!r} is another in C++ than in a "
                            "session."
                        )
    except tf.errors.OpError as error:
        raise ExportError(
            f"Expected {os.fspath(path)} to load and run in C++. "
            f"Received: {type(error).__name__}, code {error.error_code}: {error.message}"
        ) from error


def _tolerances(path: str | os.PathLike[str]) -> tuple[float, float]:
    nodes = all_nodes(read_meta_graph(path).graph_def)
    dtypes = {value.type for node in nodes for value in node.attr.values()}
    for dtype, spacing in _SPACING.items():
        if dtype.as_datatype_enum in dtypes:
            return _ROUNDINGS * spacing, _ROUNDINGS * spacing
    return RELATIVE, ABSOLUTE
