"""Encoders, decoders and discriminators to start from; any built Keras model serves as well."""

from aae_tf.networks.conv import conv_decoder, conv_encoder
from aae_tf.networks.mlp import mlp_decoder, mlp_discriminator, mlp_encoder

__all__ = [
    "conv_decoder",
    "conv_encoder",
    "mlp_decoder",
    "mlp_discriminator",
    "mlp_encoder",
]
