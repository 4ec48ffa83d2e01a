"""Distributions that codes are drawn to: constructors, JSON form, samples by seed."""

from aae_tf.priors.bernoulli import bernoulli
from aae_tf.priors.categorical import categorical
from aae_tf.priors.components import num_components
from aae_tf.priors.conditional import conditional
from aae_tf.priors.counter_based import fold_rows, row_seeds
from aae_tf.priors.gaussian import gaussian
from aae_tf.priors.ring_mixture import ring_mixture
from aae_tf.priors.row_sampling import sample_rows
from aae_tf.priors.serialization import deserialize, serialize
from aae_tf.priors.uniform import uniform

__all__ = [
    "bernoulli",
    "categorical",
    "conditional",
    "deserialize",
    "fold_rows",
    "gaussian",
    "num_components",
    "ring_mixture",
    "row_seeds",
    "sample_rows",
    "serialize",
    "uniform",
]
