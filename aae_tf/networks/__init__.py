"""Encoders, decoders and discriminators; models accept any other built Keras model too."""

from aae_tf.networks.conv import conv_decoder, conv_encoder
from aae_tf.networks.mlp import mlp_decoder, mlp_discriminator, mlp_encoder

__all__ = [
    "conv_decoder",
    "conv_encoder",
    "mlp_decoder",
    "mlp_discriminator",
    "mlp_encoder",
]
