"""Losses of columns, terms beside reconstruction and divergence, and the weights of all terms."""

from aae_tf.losses.classification import MutualInformation, accuracy, cross_entropy
from aae_tf.losses.column_losses import ColumnLosses
from aae_tf.losses.head_distance import HeadDistance
from aae_tf.losses.kullback_leibler import KullbackLeibler, gaussian_kl
from aae_tf.losses.loss_term import LossTerm
from aae_tf.losses.standardized_error import StandardizedError
from aae_tf.losses.virtual_adversarial import VirtualAdversarial
from aae_tf.losses.weights import check_weight, deserialize_weight, serialize_weight, weight_at

__all__ = [
    "ColumnLosses",
    "HeadDistance",
    "KullbackLeibler",
    "LossTerm",
    "MutualInformation",
    "StandardizedError",
    "VirtualAdversarial",
    "accuracy",
    "check_weight",
    "cross_entropy",
    "deserialize_weight",
    "gaussian_kl",
    "serialize_weight",
    "weight_at",
]
