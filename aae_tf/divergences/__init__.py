"""Divergences between the aggregated posterior of a code and its prior."""

from aae_tf.divergences.adversarial import Adversarial
from aae_tf.divergences.divergence import Divergence, DivergenceTerms
from aae_tf.divergences.get import Identifier, get
from aae_tf.divergences.mmd import MMD
from aae_tf.divergences.sliced_wasserstein import SlicedWasserstein

__all__ = [
    "MMD",
    "Adversarial",
    "Divergence",
    "DivergenceTerms",
    "Identifier",
    "SlicedWasserstein",
    "get",
]
