"""What draws a code's aggregated posterior to its prior: an adversary, or a kernel's moments."""

from aae_tf.divergences.adversarial import Adversarial
from aae_tf.divergences.divergence import Divergence, DivergenceTerms
from aae_tf.divergences.get import get
from aae_tf.divergences.mmd import MMD

__all__ = ["MMD", "Adversarial", "Divergence", "DivergenceTerms", "get"]
