"""The rows of a request: how many there may be, and runs of many of them in slices."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo

from aae_tf.export.saved_model_session import SavedModelSession
from aae_tf.serving.errors import RequestTooLarge

# Bytes of a value whose dtype has no fixed size, such as a string.
_VARIABLE_SIZE = 16


class RequestLimits:
    """Bounds the rows of a request, and the bytes of its inputs and outputs.

    A short message may declare millions of rows, and each row may make a wide output. The real
    server makes them all.

    Args:
        max_bytes: Bytes that inputs and outputs may have together. What outputs need follows from
            the rows of the inputs and the widths that the signature declares; dimensions that it
            leaves open count as 1.
        max_rows: Rows of a request, instead of what `max_bytes` allows for outputs. Inputs stay
            within `max_bytes`. Defaults to None.

    Example:

        >>> limits = RequestLimits(max_bytes=2**20)
        >>> signature = SignatureDef()
        >>> signature.inputs["seed"].dtype = 9
        >>> limits.check(signature, {"seed": [1000]})
        8000
        >>> limits.check(signature, {"seed": [10**6]})
        Traceback (most recent call last):
        ...
        aae_tf.serving.errors.RequestTooLarge: RESOURCE_EXHAUSTED: Expected a request of at most ...
    """

    def __init__(self, max_bytes: int, max_rows: int | None = None) -> None:
        self.max_bytes = max_bytes
        self.max_rows = max_rows

    def check(self, signature: SignatureDef, shapes: Mapping[str, Sequence[int]]) -> int:
        """Returns the bytes of inputs of `shapes` and of the outputs that they lead to.

        Args:
            signature: What is to run.
            shapes: Sizes by input name, none of them negative.

        Raises:
            RequestTooLarge: they are too many.
        """
        rows = max((shape[0] for shape in shapes.values() if len(shape)), default=1)
        inputs = sum(
            math.prod(shape) * _itemsize(signature.inputs[name].dtype)
            for name, shape in shapes.items()
            if name in signature.inputs
        )
        most = self.max_rows
        if most is not None and rows > most:
            raise RequestTooLarge(f"Expected a request of at most {most} rows. Received: {rows}.")
        outputs = rows * sum(_row_bytes(info) for info in signature.outputs.values())
        if inputs + (outputs if most is None else 0) > self.max_bytes:
            raise RequestTooLarge(
                f"Expected a request of at most {self.max_bytes} bytes of inputs and outputs. "
                f"Received: {rows} rows of {inputs} bytes, with outputs of {outputs} bytes."
            )
        return inputs + outputs


class RowSlices:
    """Runs signatures whose row i of every output depends on row i of the inputs alone.

    Exports of this package promise that; of other SavedModels nobody knows. A signature is run in
    slices if all its inputs and outputs leave their first dimension open.

    Args:
        session: What runs the slices. Who opened it closes it.
        rows: Rows of a slice, >= 1.
    """

    def __init__(self, session: SavedModelSession, rows: int = 1024) -> None:
        self._session = session
        self._rows = rows
        self._row_wise = {
            name for name, signature in session.signatures.items() if _is_row_wise(signature)
        }

    def run(
        self,
        signature_name: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Runs a signature; see `SavedModelSession.run`, whose errors it raises."""
        counts = {len(array) if array.ndim else -1 for array in inputs.values()}
        count = counts.pop() if len(counts) == 1 else -1
        if count <= self._rows or signature_name not in self._row_wise:
            return self._session.run(signature_name, inputs, outputs, timeout)
        end = None if timeout is None else time.monotonic() + timeout
        parts = []
        for start in range(0, count, self._rows):
            part = {name: array[start : start + self._rows] for name, array in inputs.items()}
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise tf.errors.DeadlineExceededError(None, None, "Timed out between two slices")
            parts.append(self._session.run(signature_name, part, outputs, left))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def close(self) -> None:
        """Does nothing: the session is closed by who opened it."""


def _row_bytes(info: TensorInfo) -> int:
    dims = info.tensor_shape.dim[1:]
    return math.prod(max(dim.size, 1) for dim in dims) * _itemsize(info.dtype)


def _itemsize(dtype: int) -> int:
    return _ITEM_SIZES.get(dtype, _VARIABLE_SIZE)


def _item_sizes() -> dict[int, int]:
    sizes = {}
    for number in range(1, 24):
        try:
            sizes[number] = tf.as_dtype(number).size or _VARIABLE_SIZE
        except TypeError:
            continue
    return sizes


def _is_row_wise(signature: SignatureDef) -> bool:
    infos: list[TensorInfo] = [*signature.inputs.values(), *signature.outputs.values()]
    return bool(signature.inputs) and all(
        info.tensor_shape.dim and info.tensor_shape.dim[0].size == -1 for info in infos
    )


_ITEM_SIZES = _item_sizes()
