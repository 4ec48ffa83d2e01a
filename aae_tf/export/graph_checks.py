"""Checks of a SavedModel's graph: dtypes of its signatures, operations that older servers have."""

import os
from collections.abc import Iterable, Iterator

import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

from aae_tf.export.exportable import ExportError
from aae_tf.export.operations import OPERATIONS
from aae_tf.export.saved_model import all_nodes, callable_signatures, read_meta_graph

_DTYPES = (tf.float32, tf.int64, tf.string)


def check_graph(path: str | os.PathLike[str]) -> None:
    """Checks that signatures are float32, int64 and text, and all operations in `OPERATIONS`.

    Args:
        path: directory of the SavedModel.

    Raises:
        ExportError: if a tensor of a signature has another type, or an operation is not in
            `OPERATIONS`; the message names it and the signature.
    """
    graph = read_meta_graph(path)
    _check_dtypes(graph)
    _check_operations(graph)


def reached_operations(graph: GraphDef, tensors: Iterable[str]) -> set[str]:
    """Finds the types of the operations that tensors of a graph are computed from.

    Args:
        graph: the graph and the library of its functions.
        tensors: names of tensors, as in a SignatureDef.

    Returns:
        Types of all operations above the tensors, those in functions included.
    """
    nodes = {node.name: node for node in graph.node}
    functions = {function.signature.name: function for function in graph.library.function}
    waiting = [nodes[_node_name(tensor)] for tensor in tensors]
    seen: set[str] = set()
    called: set[str] = set()
    found: set[str] = set()
    while waiting:
        node = waiting.pop()
        found.add(node.op)
        for name in map(_node_name, node.input):
            if name in nodes and name not in seen:
                seen.add(name)
                waiting.append(nodes[name])
        for name in _called_functions(node):
            if name in functions and name not in called:
                called.add(name)
                # Names of nodes are a function's own: no input of these leads on.
                found |= {inner.op for inner in functions[name].node_def}
                waiting += [_without_inputs(inner) for inner in functions[name].node_def]
    return found


def _check_dtypes(graph: MetaGraphDef) -> None:
    for name, signature in callable_signatures(graph).items():
        for tensor, info in (*signature.inputs.items(), *signature.outputs.items()):
            dtype = tf.as_dtype(info.dtype)
            if dtype not in _DTYPES:
                raise ExportError(
                    f"Expected the signatures to take and give float32, int64 and text, which JSON "
                    f"can carry. Received: {tensor!r} of signature {name!r} is {dtype.name}."
                )


def _check_operations(graph: MetaGraphDef) -> None:
    unknown = {node.op for node in all_nodes(graph.graph_def)} - OPERATIONS
    if not unknown:
        return
    users = [
        f"signature {name!r}"
        for name, signature in callable_signatures(graph).items()
        if unknown
        & reached_operations(graph.graph_def, [info.name for info in signature.outputs.values()])
    ]
    raise ExportError(
        "Expected the graph to be made of operations that older servers have, see "
        f"aae_tf/export/operations.py. Received: {', '.join(sorted(unknown))} in "
        f"{', '.join(users) or 'what saves and restores the variables'}."
    )


def _called_functions(node: NodeDef) -> Iterator[str]:
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        for function in value.list.func:
            yield function.name


def _without_inputs(node: NodeDef) -> NodeDef:
    bare = NodeDef()
    bare.CopyFrom(node)
    del bare.input[:]
    return bare


def _node_name(tensor: str) -> str:
    return tensor.removeprefix("^").split(":")[0]
