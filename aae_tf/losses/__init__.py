"""Terms of the loss beside reconstruction and divergence, and the weights that all terms share."""

from aae_tf.losses.weights import check_weight, deserialize_weight, serialize_weight, weight_at

__all__ = [
    "check_weight",
    "deserialize_weight",
    "serialize_weight",
    "weight_at",
]
