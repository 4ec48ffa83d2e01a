"""Maximum mean discrepancy whose expectations under the prior are exact."""

from aae_tf.mmd import rules as _rules  # noqa: F401  (registers the closed forms)
from aae_tf.mmd.closed_form import mean_embedding, mean_embedding_norm
from aae_tf.mmd.embedding import MeanEmbedding
from aae_tf.mmd.estimators import squared_mmd, squared_mmd_two_samples
from aae_tf.mmd.given_labels import squared_mmd_given_labels
from aae_tf.mmd.null_distribution import null_variance
from aae_tf.mmd.registry import RegisterMeanEmbedding, has_mean_embedding
from aae_tf.mmd.widths import default_kernel

__all__ = [
    "MeanEmbedding",
    "RegisterMeanEmbedding",
    "default_kernel",
    "has_mean_embedding",
    "mean_embedding",
    "mean_embedding_norm",
    "null_variance",
    "squared_mmd",
    "squared_mmd_given_labels",
    "squared_mmd_two_samples",
]
