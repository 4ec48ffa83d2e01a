"""The graph of a SavedModel as a protobuf message, without loading it."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef, SignatureDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

# The loader's own entries (init and train operations) name an operation, not tensors.
_LOADER_ENTRY_PREFIX = "__saved_model_"


def read_meta_graph(path: str | os.PathLike[str]) -> MetaGraphDef:
    """Reads the graph that `write_saved_model` wrote, its signatures included.

    Args:
        path: directory of the SavedModel.
    """
    return SavedModel.FromString(Path(path, "saved_model.pb").read_bytes()).meta_graphs[0]


def callable_signatures(meta_graph: MetaGraphDef) -> dict[str, SignatureDef]:
    """Returns the signatures that can be run, by name: not the loader's own entries."""
    return {
        name: signature
        for name, signature in sorted(meta_graph.signature_def.items())
        if not name.startswith(_LOADER_ENTRY_PREFIX)
    }


def check_call(
    signatures: Mapping[str, SignatureDef],
    signature_name: str,
    inputs: Iterable[str],
    outputs: Iterable[str] | None,
) -> SignatureDef:
    """Returns the signature that is called, if there is one that knows these names.

    Args:
        signatures: what can be called, by name.
        signature_name: what is called.
        inputs: names of the inputs that are given.
        outputs: names of the outputs to compute; None for all.

    Raises:
        ValueError: unknown signature, input or output.
    """
    if signature_name not in signatures:
        raise ValueError(
            f"Expected `signature_name` to be one of {sorted(signatures)}. "
            f"Received: signature_name={signature_name!r}."
        )
    signature = signatures[signature_name]
    for argument, names, known in (
        ("inputs", inputs, signature.inputs),
        ("outputs", outputs or (), signature.outputs),
    ):
        if not set(known) >= set(names):
            raise ValueError(
                f"Expected `{argument}` to be among {sorted(known)}, those of signature "
                f"{signature_name!r}. Received: {argument}={sorted(names)}."
            )
    return signature


def all_nodes(graph: GraphDef) -> Iterator[NodeDef]:
    """Yields the nodes of a graph and of its functions."""
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def
