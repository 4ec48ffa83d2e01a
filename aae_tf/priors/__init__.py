"""Distributions that codes are drawn to: constructors, JSON form, samples by seed."""

from aae_tf.priors.counter_based import row_seeds
from aae_tf.priors.gaussian import gaussian
from aae_tf.priors.ring_mixture import ring_mixture
from aae_tf.priors.row_sampling import sample_rows
from aae_tf.priors.serialization import deserialize, serialize
from aae_tf.priors.uniform import uniform

__all__ = [
    "deserialize",
    "gaussian",
    "ring_mixture",
    "row_seeds",
    "sample_rows",
    "serialize",
    "uniform",
]
