"""Priors of codes: constructors, components, samples by seed, JSON form."""

from aae_tf.priors.components import conditional, num_components
from aae_tf.priors.continuous import fit_gaussian, fit_mixture, gaussian, sphere, uniform
from aae_tf.priors.counter_based import fold_rows, row_seeds
from aae_tf.priors.discrete import bernoulli, categorical, from_labels
from aae_tf.priors.mixtures import ring_mixture, swiss_roll
from aae_tf.priors.sampling import sample, sample_rows
from aae_tf.priors.serialization import deserialize, serialize

__all__ = [
    "bernoulli",
    "categorical",
    "conditional",
    "deserialize",
    "fit_gaussian",
    "fit_mixture",
    "fold_rows",
    "from_labels",
    "gaussian",
    "num_components",
    "ring_mixture",
    "row_seeds",
    "sample",
    "sample_rows",
    "serialize",
    "sphere",
    "swiss_roll",
    "uniform",
]
