"""Encoders, decoders, discriminators and layers of tables; models accept any built Keras model."""

from aae_tf.networks.conv import conv_decoder, conv_encoder
from aae_tf.networks.mlp import mlp_decoder, mlp_discriminator, mlp_encoder
from aae_tf.networks.sequence import (
    conv1d_decoder,
    conv1d_encoder,
    recurrent_decoder,
    recurrent_encoder,
)
from aae_tf.networks.tabular import tabular_decoder, tabular_encoder
from aae_tf.tables.features import TableColumns, TableFeatures

__all__ = [
    "TableColumns",
    "TableFeatures",
    "conv1d_decoder",
    "conv1d_encoder",
    "conv_decoder",
    "conv_encoder",
    "mlp_decoder",
    "mlp_discriminator",
    "mlp_encoder",
    "recurrent_decoder",
    "recurrent_encoder",
    "tabular_decoder",
    "tabular_encoder",
]
