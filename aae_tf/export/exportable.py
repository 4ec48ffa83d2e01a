"""What an export asks of a model: its signatures, its variables and a description of it."""

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np
import tensorflow as tf

from aae_tf.export.nan_rows import nan_rows

Tensors = dict[str, tf.Tensor]

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")


class ExportError(RuntimeError):
    """An export does not hold what it must.

    It does not answer as its model does, could not run on an older server, or its files are not
    those of its card. An export that is being written is removed.
    """


@dataclasses.dataclass(frozen=True)
class Signature:
    """One function that an export serves.

    It takes and gives float32, int64 and text, works for any batch size, computes row i from row i
    alone, asserts nothing about values, and asks for no device and no XLA.

    Args:
        function: keyword tensors to a dict of tensors.
        inputs: specification of each input; the first dimension is the batch.
        examples: values of each input, from which rows are drawn to verify an export with; None
            draws numbers. A row with NaN or infinity is answered with NaN unless there are
            examples: their function takes such values.
    """

    function: Callable[..., Tensors]
    inputs: dict[str, tf.TensorSpec]
    examples: Mapping[str, np.ndarray] | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """The graph's own name of each input: TensorFlow changes what is no plain identifier."""
        if all(_IDENTIFIER.fullmatch(name) for name in self.inputs):
            return {name: name for name in self.inputs}
        return {name: f"input_{i}" for i, name in enumerate(self.inputs)}

    @functools.cached_property
    def graph(self) -> tf.types.experimental.ConcreteFunction:
        """The function as a graph, for batches of any size; traced once."""
        names = self.parameters

        def function(**inputs: tf.Tensor) -> Tensors:
            return self.function(**{name: inputs[own] for name, own in names.items()})

        return tf.function(
            nan_rows(function) if self.examples is None else function, autograph=False
        ).get_concrete_function(
            **{
                own: tf.TensorSpec(self.inputs[name].shape, self.inputs[name].dtype, own)
                for name, own in names.items()
            }
        )

    def run(self, inputs: Mapping[str, np.ndarray]) -> Tensors:
        """Calls the graph on arrays."""
        names = self.parameters
        return self.graph(**{names[name]: tf.constant(array) for name, array in inputs.items()})

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
