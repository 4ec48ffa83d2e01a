"""Maximum mean discrepancy whose expectations under the prior are exact."""

from aae_tf.mmd import rules as _rules  # noqa: F401  (registers the closed forms)
from aae_tf.mmd.block_product import BlockProduct
from aae_tf.mmd.closed_form import mean_embedding, mean_embedding_norm
from aae_tf.mmd.coordinate_product import CoordinateProduct
from aae_tf.mmd.embedding import MeanEmbedding
from aae_tf.mmd.estimators import squared_mmd, squared_mmd_two_samples
from aae_tf.mmd.fourier_features import FourierFeatures
from aae_tf.mmd.gaussian_posteriors import squared_mmd_of_gaussians
from aae_tf.mmd.given_labels import squared_mmd_given_labels
from aae_tf.mmd.goodness_of_fit import goodness_of_fit
from aae_tf.mmd.median_kernel import median_kernel
from aae_tf.mmd.mmd_test_result import MMDTestResult
from aae_tf.mmd.null_distribution import null_variance
from aae_tf.mmd.registry import RegisterMeanEmbedding, has_mean_embedding
from aae_tf.mmd.standardized_mmd import standardized_mmd
from aae_tf.mmd.two_sample_test import two_sample_test
from aae_tf.mmd.widths import default_kernel
from aae_tf.mmd.witness import witness

__all__ = [
    "BlockProduct",
    "CoordinateProduct",
    "FourierFeatures",
    "MMDTestResult",
    "MeanEmbedding",
    "RegisterMeanEmbedding",
    "default_kernel",
    "goodness_of_fit",
    "has_mean_embedding",
    "mean_embedding",
    "mean_embedding_norm",
    "median_kernel",
    "null_variance",
    "squared_mmd",
    "squared_mmd_given_labels",
    "squared_mmd_of_gaussians",
    "squared_mmd_two_samples",
    "standardized_mmd",
    "two_sample_test",
    "witness",
]
