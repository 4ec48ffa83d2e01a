"""Distributions that codes are drawn to: constructors, JSON form, samples by seed."""

from aae_tf.priors.bernoulli import bernoulli
from aae_tf.priors.categorical import categorical
from aae_tf.priors.components import num_components
from aae_tf.priors.conditional import conditional
from aae_tf.priors.counter_based import fold_rows, row_seeds
from aae_tf.priors.fit_gaussian import fit_gaussian
from aae_tf.priors.from_labels import from_labels
from aae_tf.priors.gaussian import gaussian
from aae_tf.priors.ring_mixture import ring_mixture
from aae_tf.priors.row_sampling import sample_rows
from aae_tf.priors.sample import sample
from aae_tf.priors.serialization import deserialize, serialize
from aae_tf.priors.swiss_roll import swiss_roll
from aae_tf.priors.uniform import uniform

__all__ = [
    "bernoulli",
    "categorical",
    "conditional",
    "deserialize",
    "fit_gaussian",
    "fold_rows",
    "from_labels",
    "gaussian",
    "num_components",
    "ring_mixture",
    "row_seeds",
    "sample",
    "sample_rows",
    "serialize",
    "swiss_roll",
    "uniform",
]
