"""Encoders and decoders of tables."""

from collections.abc import Sequence
from typing import Any

import keras

from aae_tf.networks.mlp import mlp_decoder, mlp_encoder
from aae_tf.tables.schema import TableSchema


def tabular_encoder(
    schema: TableSchema,
    units: Sequence[int] = (256, 256),
    activation: str = "relu",
    name: str = "encoder",
    **kwargs: Any,
) -> keras.Model:
    """Builds an encoder from the features of a table.

    Args:
        schema: the columns.
        units: width of each hidden layer; the last one is the number of features.
        activation: Keras name of the hidden activation.
        name: name of the network.
        **kwargs: further arguments of `mlp_encoder`: `batch_normalization`, `input_noise`,
            `dropout`, `seed`.

    Returns:
        `keras.Model` from [batch, schema.width] to [batch, units[-1]]. The model that it is given
        to, with `table=schema`, turns columns into features.

    Example:

    >>> schema = TableSchema.infer({"size": [1.5, 3.5], "color": ["red", "blue"]})
    >>> tabular_encoder(schema, units=(16, 8), seed=0).input_shape
    (None, 6)
    """
    return mlp_encoder((schema.width,), units, activation, name=name, **kwargs)


def tabular_decoder(
    schema: TableSchema,
    code_dim: int,
    units: Sequence[int] = (256, 256),
    activation: str = "relu",
    name: str = "decoder",
    **kwargs: Any,
) -> keras.Model:
    """Builds a decoder to the outputs of each column, side by side in one linear layer.

    Args:
        schema: the columns.
        code_dim: width of what the decoder receives, as for `mlp_decoder`.
        units: width of each hidden layer.
        activation: Keras name of the hidden activation.
        name: name of the network.
        **kwargs: further arguments of `mlp_decoder`: `batch_normalization`, `input_noise`, `seed`.

    Returns:
        `keras.Model` from [batch, code_dim] to float32 [batch, schema.width]: means and logits, as
        `losses.ColumnLosses` and `TableColumns` take them.

    Example:

    >>> schema = TableSchema.infer({"size": [1.5, 3.5], "color": ["red", "blue"]})
    >>> tabular_decoder(schema, code_dim=2, units=(8, 16), seed=0).output_shape
    (None, 6)
    """
    return mlp_decoder((schema.width,), code_dim, units, activation, "linear", name=name, **kwargs)
