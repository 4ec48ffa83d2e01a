"""SavedModels as files: writes them from signatures, in float32, and reads their graph.

TensorFlow Serving restores each variable through one handle in the graph; `write_saved_model`
writes exactly one for each weight.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef, SignatureDef, TensorInfo
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from aae_tf.export.exportable import Signature

DEFAULT_SIGNATURE = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
_MIXED = {"float16": "mixed_float16", "bfloat16": "mixed_bfloat16"}
# The loader's own entries (init and train operations) name an operation, not tensors.
_LOADER_ENTRY_PREFIX = "__saved_model_"


class _Servable(tf.Module):
    """Holds raw variables and traced functions, and no Keras object.

    A Keras model in an exported module would give each variable a second handle; the session
    loader would restore that one, while the functions read the first.
    """

    def __init__(
        self,
        variables: Iterable[keras.Variable],
        functions: dict[str, tf.types.experimental.ConcreteFunction],
    ) -> None:
        super().__init__()
        self.weights = [variable.value for variable in variables]
        self.functions = functions


def write_saved_model(
    path: str | os.PathLike[str],
    signatures: dict[str, Signature],
    variables: Iterable[keras.Variable],
) -> None:
    """Writes signatures with the variables that they read.

    Args:
        path: directory to write.
        signatures: what to serve, by name; the first is also the default signature.
        variables: all variables that the signatures read; others are left out.

    Raises:
        ValueError: if a signature reads a variable that is not in `variables`.
    """
    functions = {name: signature.graph for name, signature in signatures.items()}
    captured = {
        id(handle) for function in functions.values() for handle in function.captured_inputs
    }
    read = [variable for variable in variables if id(variable.value.handle) in captured]
    default = next(iter(functions.values()))
    tf.saved_model.save(
        _Servable(read, functions),
        os.fspath(path),
        signatures={DEFAULT_SIGNATURE: default, **functions},
    )
    default_name = next(iter(signatures))
    names = {name: signature.parameters for name, signature in signatures.items()}
    _rename_inputs(Path(path), {DEFAULT_SIGNATURE: names[default_name], **names})


def _rename_inputs(path: Path, names: Mapping[str, Mapping[str, str]]) -> None:
    """Gives inputs the names that clients use, where the graph's own are others.

    Args:
        path: directory of the SavedModel.
        names: the graph's own name by that of the input, for each signature.
    """
    if all(name == own for parameters in names.values() for name, own in parameters.items()):
        return
    file = path / "saved_model.pb"
    saved = SavedModel.FromString(file.read_bytes())
    for signature_name, parameters in names.items():
        inputs = saved.meta_graphs[0].signature_def[signature_name].inputs
        infos = {
            name: TensorInfo.FromString(inputs[own].SerializeToString())
            for name, own in parameters.items()
        }
        inputs.clear()
        for name, info in infos.items():
            inputs[name].CopyFrom(info)
    file.write_bytes(saved.SerializeToString(deterministic=True))


@contextlib.contextmanager
def full_precision(model: Any) -> Iterator[None]:
    """Lets the layers of a mixed-precision model compute in float32 until the end of the block.

    A mixed policy keeps weights in float32 and rounds them before each product. A function that
    is traced within the block reads the same weights without the rounding. Layers of any other
    policy, and casts that the user's own layers make, stay as they are.

    Args:
        model: the model that is traced in the block, or an object that has it as its attribute
            `model`; no other thread may use it meanwhile. An object without a Keras layer is left
            as it is.

    Example:

    >>> layer = keras.layers.Dense(2, dtype="mixed_bfloat16")
    >>> model = keras.Sequential([keras.Input((3,)), layer])
    >>> with full_precision(model):
    ...     print(layer.compute_dtype)
    float32
    >>> layer.compute_dtype
    'bfloat16'
    """
    model = getattr(model, "model", model)
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


def read_meta_graph(path: str | os.PathLike[str]) -> MetaGraphDef:
    """Reads the graph that `write_saved_model` wrote, its signatures included.

    Args:
        path: directory of the SavedModel.

    Raises:
        ValueError: if the file is damaged.
        OSError: if it cannot be read.
    """
    file = Path(path, "saved_model.pb")
    try:
        return SavedModel.FromString(file.read_bytes()).meta_graphs[0]
    except (DecodeError, IndexError) as error:
        raise ValueError(
            f"Expected {file} to be a SavedModel's graph. Received: {type(error).__name__}: "
            f"{error}."
        ) from error


def callable_signatures(meta_graph: MetaGraphDef) -> dict[str, SignatureDef]:
    """Returns the signatures that can be run, by name, without the loader's own entries."""
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
    """Returns the signature that is called, after checking the names of its inputs and outputs.

    Args:
        signatures: the signatures that can be called, by name.
        signature_name: name of the one that is called.
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
