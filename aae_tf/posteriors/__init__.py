"""Posteriors q(z|x): layers from an encoder's features to codes."""

from aae_tf.posteriors.deterministic import Deterministic
from aae_tf.posteriors.gaussian import Gaussian
from aae_tf.posteriors.get import get
from aae_tf.posteriors.posterior import Posterior
from aae_tf.posteriors.universal import Universal

__all__ = ["Deterministic", "Gaussian", "Posterior", "Universal", "get"]
