"""Operations whose result is defined to the bit, wherever a row stands in its batch."""

import tensorflow as tf

ARITHMETIC = {"AddV2", "BitwiseAnd", "BitwiseXor", "Mul", "RightShift", "Sub"}
COMPARISON = {"GreaterEqual", "Less", "LogicalAnd", "SelectV2"}
MOVEMENT = {"Bitcast", "Cast", "Const", "GatherV2", "Identity", "Placeholder", "StridedSlice"}
MOVEMENT |= {"Unpack"}


def check_exact(graph: tf.Graph) -> None:
    # A sum counts, in integers.
    sums = [op for op in graph.get_operations() if op.type == "Sum"]
    assert all(op.outputs[0].dtype == tf.int64 for op in sums)
    types = {op.type for op in graph.get_operations()}
    assert types - {"Sum"} <= ARITHMETIC | COMPARISON | MOVEMENT
