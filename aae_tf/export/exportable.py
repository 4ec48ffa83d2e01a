"""What an export asks of a model: its signatures, its variables and a description of it."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import keras
import tensorflow as tf

from aae_tf.export.nan_rows import nan_rows

Tensors = dict[str, tf.Tensor]


class ExportError(RuntimeError):
    """An export does not hold what it must.

    It does not answer as its model does, could not run on an older server, or its files are not
    those of its card. An export that is being written is removed.
    """


@dataclasses.dataclass(frozen=True)
class Signature:
    """One function that an export serves.

    It takes and gives float32 and int64, works for any batch size, computes row i from row i
    alone, asserts nothing about values, and asks for no device and no XLA.

    Args:
        function: keyword tensors to a dict of tensors.
        inputs: specification of each input; the first dimension is the batch.
    """

    function: Callable[..., Tensors]
    inputs: dict[str, tf.TensorSpec]

    @functools.cached_property
    def graph(self) -> tf.types.experimental.ConcreteFunction:
        """The function as a graph, for batches of any size; traced once."""
        function = tf.function(nan_rows(self.function), autograph=False)
        return function.get_concrete_function(**self.inputs)

    @property
    def outputs(self) -> dict[str, tf.TensorSpec]:
        """Specification of each output; the function is traced for it."""
        return dict(self.graph.structured_outputs)


@runtime_checkable
class Exportable(Protocol):
    """A model that can be exported: every model of `aae_tf.models`, and any other with these."""

    @property
    def variables(self) -> Sequence[keras.Variable]:
        """All variables that the signatures read; there may be more."""

    def signatures(self) -> dict[str, Signature]:
        """Returns what can be served, by name, the default first.

        `decode` and `sample` become the servable "decoder"; `encode` and `classify`, where there
        are such, "encoder".
        """

    def describe(self) -> dict[str, Any]:
        """Returns entries of the export's `MODEL_CARD.json`, in JSON types."""
