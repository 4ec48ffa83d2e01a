"""`convert_to_onnx`: a signature as an ONNX model, which ONNX Runtime has run."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

# There is no public name for it.
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from aae_tf.checks import import_extra
from aae_tf.export.exportable import ExportError, Signature
from aae_tf.export.verification import verify_function

_OPSET = 18
# Exponents of the numbers that `_bitcast` takes; in `priors.counter_based` they are -54 to -2.
_MIN_EXPONENT, _MAX_EXPONENT = -60, 0
_EXPONENT_BIAS, _MANTISSA_BITS = 1023, 52
# Numbers of types in onnx.TensorProto.
_FLOAT, _INT64, _DOUBLE, _UINT64 = 1, 7, 11, 13
_FLOATING = {_FLOAT: np.float32, _DOUBLE: np.float64}


def convert_to_onnx(name: str, signature: Signature, opset_version: int | None = None) -> bytes:
    """Converts a signature by tf2onnx, and compares it with the model in ONNX Runtime.

    Args:
        name: name of the signature, for messages.
        signature: the signature.
        opset_version: version of ONNX's operations; None is 18.

    Returns:
        The content of an ONNX file.

    Raises:
        ImportError: if the packages of the extra `onnx` are not installed.
        ExportError: if ONNX has no operation for one of the signature's, or ONNX Runtime does not
            answer as the model does.
    """
    onnx, tf2onnx, runtime = (
        import_extra(package, "onnx", "export to ONNX")
        for package in ("onnx", "tf2onnx", "onnxruntime")
    )
    with _quiet(tf2onnx):
        proto = _convert(tf2onnx, signature, opset_version or _OPSET)
    missing = _unknown_operations(onnx, proto)
    if missing:
        raise ExportError(
            f"Expected `signature` to consist of operations that ONNX has. Received: {name!r}, "
            f"which needs {', '.join(missing)}."
        )
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    content: bytes = proto.SerializeToString()
    try:
        session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common public class.
        raise ExportError(
            f"Expected signature {name!r} to load in ONNX Runtime. Received: {error}"
        ) from error
    outputs = [output.name for output in session.get_outputs()]
    verify_function(
        "ONNX Runtime",
        name,
        signature,
        lambda inputs: dict(zip(outputs, session.run(outputs, inputs), strict=True)),
    )
    return content


def _convert(tf2onnx: Any, signature: Signature, opset: int) -> Any:
    # Weights and captured tensors become constants; tf2onnx by itself takes the latter for inputs.
    graph = convert_variables_to_constants_v2(signature.graph)
    names = {tensor.name: tensor.op.name for tensor in graph.inputs}
    outputs = zip(graph.outputs, sorted(signature.outputs), strict=True)
    names |= {tensor.name: name for tensor, name in outputs}
    proto, _ = tf2onnx.convert.from_graph_def(
        graph.graph.as_graph_def(),
        input_names=[tensor.name for tensor in graph.inputs],
        output_names=[tensor.name for tensor in graph.outputs],
        tensors_to_rename=names,
        opset=opset,
        custom_op_handlers={op: (handler, []) for op, handler in _HANDLERS.items()},
    )
    return proto


@contextlib.contextmanager
def _quiet(tf2onnx: Any) -> Iterator[None]:
    """Silences the log of tf2onnx, which prints a stack trace for each unknown operation."""
    logger = logging.getLogger(tf2onnx.__name__)
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _unknown_operations(onnx: Any, proto: Any) -> list[str]:
    def nodes(graph: Any) -> Iterator[Any]:
        for node in graph.node:
            yield node
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    yield from nodes(attribute.g)

    return sorted(
        {
            node.op_type
            for node in nodes(proto.graph)
            if not onnx.defs.has(node.op_type, node.domain)
        }
    )


# Operations that tf2onnx does not convert, or not for NaN. Each function replaces one node by nodes
# of ONNX; an operation that it cannot replace stays and is named by `_unknown_operations`.


def _select(graph: Any, node: Any, *_: Any) -> None:
    # tf2onnx multiplies both sides by 0 or 1, which makes NaN of every row where one side is NaN.
    condition, rank = node.input[0], len(graph.get_shape(node.input[1]))
    if node.type == "Select" and len(graph.get_shape(condition)) == 1 and rank > 1:
        axes = _constant(graph, np.arange(1, rank, dtype=np.int64))
        condition = _make(graph, "Unsqueeze", condition, axes)
    _replace(graph, node, _make(graph, "Where", condition, *node.input[1:]))


def _log1p(graph: Any, node: Any, *_: Any) -> None:
    dtype = _FLOATING.get(graph.get_dtype(node.input[0]))
    if dtype is not None:
        total = _make(graph, "Add", node.input[0], _constant(graph, np.array(1.0, dtype)))
        _replace(graph, node, _make(graph, "Log", total))


def _right_shift(graph: Any, node: Any, *_: Any) -> None:
    # ONNX shifts unsigned integers alone. TensorFlow shifts the sign bit in, which
    # `priors.counter_based` masks.
    if graph.get_dtype(node.input[0]) == _INT64:
        value, shift = (_cast(graph, tensor, _UINT64) for tensor in node.input)
        shifted = _make(graph, "BitShift", value, shift, direction="RIGHT")
        _replace(graph, node, _cast(graph, shifted, _INT64))


def _bitcast(graph: Any, node: Any, *_: Any) -> None:
    # ONNX has no bit cast. Of a positive number m * 2^e with m in [1, 2), the bits are those of
    # e + bias and, behind them, m - 1; both are exact here.
    x = node.input[0]
    if (graph.get_dtype(x), graph.get_dtype(node.output[0])) != (_DOUBLE, _INT64):
        return
    exponents = np.arange(_MIN_EXPONENT, _MAX_EXPONENT + 1)
    last_axis = _constant(graph, np.array([-1], np.int64))
    column = _make(graph, "Unsqueeze", x, last_axis)
    reached = _make(graph, "GreaterOrEqual", column, _constant(graph, 2.0**exponents))
    count = _make(graph, "ReduceSum", _cast(graph, reached, _INT64), last_axis, keepdims=0)
    index = _make(graph, "Sub", count, _constant(graph, np.int64(1)))
    scale = _make(graph, "Gather", _constant(graph, 2.0**-exponents), index)
    fraction = _make(graph, "Sub", _make(graph, "Mul", x, scale), _constant(graph, np.float64(1)))
    steps = _make(graph, "Mul", fraction, _constant(graph, np.float64(2**_MANTISSA_BITS)))
    patterns = (exponents + _EXPONENT_BIAS).astype(np.int64) << _MANTISSA_BITS
    upper = _make(graph, "Gather", _constant(graph, patterns), index)
    _replace(graph, node, _make(graph, "Add", upper, _cast(graph, steps, _INT64)))


def _broadcast_args(graph: Any, node: Any, *_: Any) -> None:
    # The shape of two arrays together: zeros of the one are expanded to the other.
    dtype = graph.get_dtype(node.output[0])
    first, second = (_cast(graph, tensor, _INT64) for tensor in node.input)
    expanded = _make(graph, "Expand", _make(graph, "ConstantOfShape", first), second)
    _replace(graph, node, _cast(graph, _make(graph, "Shape", expanded), dtype))


def _triangular_solve(graph: Any, node: Any, *_: Any) -> None:
    # ONNX has no solver; the matrix of a prior is a constant, whose inverse is computed now.
    if not node.inputs[0].is_const():
        return
    matrix = node.inputs[0].get_tensor_value(as_list=False)
    triangle = np.tril(matrix) if node.get_attr_value("lower", True) else np.triu(matrix)
    inverse = np.linalg.inv(triangle.astype(np.float64)).astype(matrix.dtype)
    if node.get_attr_value("adjoint", False):
        inverse = np.swapaxes(inverse, -1, -2)
    _replace(graph, node, _make(graph, "MatMul", _constant(graph, inverse), node.input[1]))


_HANDLERS: dict[str, Callable[..., None]] = {
    "Select": _select,
    "SelectV2": _select,
    "Log1p": _log1p,
    "RightShift": _right_shift,
    "Bitcast": _bitcast,
    "BroadcastArgs": _broadcast_args,
    "MatrixTriangularSolve": _triangular_solve,
}


def _make(graph: Any, operation: str, *inputs: str, **attributes: Any) -> str:
    """Adds a node; returns the name of its output."""
    name: str = graph.make_node(operation, list(inputs), attr=attributes).output[0]
    return name


def _cast(graph: Any, tensor: str, dtype: int) -> str:
    return _make(graph, "Cast", tensor, to=dtype)


def _constant(graph: Any, value: Any) -> str:
    from tf2onnx.utils import make_name

    name: str = graph.make_const(make_name("constant"), np.asarray(value)).output[0]
    return name


def _replace(graph: Any, node: Any, result: str) -> None:
    """Lets `result` take the place of a node's output."""
    output = node.output[0]
    shapes, dtypes = [graph.get_shape(output)], [graph.get_dtype(output)]
    graph.remove_node(node.name)
    graph.make_node("Identity", [result], outputs=[output], shapes=shapes, dtypes=dtypes)
