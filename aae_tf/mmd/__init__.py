"""Maximum mean discrepancy whose expectations under the prior are exact."""

from aae_tf.mmd import rules as _rules  # noqa: F401  (registers the closed forms)
from aae_tf.mmd.estimators import squared_mmd, squared_mmd_two_samples
from aae_tf.mmd.fourier_features import FourierFeatures
from aae_tf.mmd.gaussian_posteriors import squared_mmd_of_gaussians
from aae_tf.mmd.given_labels import squared_mmd_given_labels
from aae_tf.mmd.hypothesis_tests import MMDTestResult, goodness_of_fit, two_sample_test
from aae_tf.mmd.kernel_widths import default_kernel, median_kernel
from aae_tf.mmd.mean_embedding import mean_embedding, mean_embedding_norm, witness
from aae_tf.mmd.null_distribution import null_variance, standardized_mmd
from aae_tf.mmd.product_kernels import BlockProduct, CoordinateProduct
from aae_tf.mmd.radial_kernels import Energy, SlicedGaussian
from aae_tf.mmd.registry import MeanEmbedding, RegisterMeanEmbedding, has_mean_embedding

__all__ = [
    "BlockProduct",
    "CoordinateProduct",
    "Energy",
    "FourierFeatures",
    "MMDTestResult",
    "MeanEmbedding",
    "RegisterMeanEmbedding",
    "SlicedGaussian",
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
