"""Divergences between the aggregated posterior of a code and its prior."""

from aae_tf.divergences.adversarial import Adversarial
from aae_tf.divergences.divergence import Divergence, DivergenceTerms
from aae_tf.divergences.get import get
from aae_tf.divergences.mmd import MMD

__all__ = ["MMD", "Adversarial", "Divergence", "DivergenceTerms", "get"]
