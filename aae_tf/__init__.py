"""Adversarial autoencoders for Keras 3 on TensorFlow: train, export, serve."""

from aae_tf import data, divergences, mmd, networks, posteriors, priors
from aae_tf.models import AAE

__version__ = "0.1.0"

__all__ = ["AAE", "data", "divergences", "mmd", "networks", "posteriors", "priors"]
