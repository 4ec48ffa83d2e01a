"""The squared MMD where labels say which component of the prior a sample should follow."""

import tensorflow as tf

from aae_tf.checks import check_choice
from aae_tf.mmd.arguments import (
    ESTIMATORS_OF_ALL_PAIRS,
    check_count,
    check_dimensions,
    check_distribution,
    check_kernel,
    check_points,
    check_rows,
    check_weights,
)
from aae_tf.mmd.constants import constant, lift
from aae_tf.mmd.embedding import MeanEmbedding
from aae_tf.mmd.groups import Groups
from aae_tf.mmd.kernel_matrix import kernel_matrix
from aae_tf.mmd.registry import embed
from aae_tf.mmd.types import Distribution, Kernel
from aae_tf.priors.arguments import check_labels_of
from aae_tf.priors.components import check_components, split


def squared_mmd_given_labels(
    samples: tf.Tensor,
    labels: tf.Tensor,
    distribution: Distribution,
    kernel: Kernel,
    estimator: str = "unbiased",
    weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """Estimates how far the samples of each label are from its component, averaged over labels.

    With q(y) the share of the samples that bear label y, and p(z | y) the component y of
    `distribution`, or the whole of it where y = -1 (unknown), this is

        sum_y q(y) MMD^2(q(z | y), p(z | y))

    the MMD^2 of pairs (z, y) under the kernel k(z, z') [y = y'] / q(y). Without the division it
    would be sum_y q(y)^2 MMD^2: among 10 classes that make up a tenth of a batch, each would
    count a ten-thousandth, and the labels would have no say.

    Each group of samples is compared as `squared_mmd` does it. Unbiased, the estimate of a group
    needs two samples. One sample alone, z, has no pair: for E k(Z, Z') the group then takes
    E k(X, X'), which is what it is when both sides agree. So the group counts with
    2 (E k(X, X') - mu(z)), which averages to zero when both sides agree, and still draws z to its
    component; it is unbiased only there.

    Args:
        samples: float32 or float64 [n, d].
        labels: integers [n], the component of each sample, -1 where it is unknown. A known value
            of any other kind is refused; one that only a running graph knows counts as unknown.
        distribution: `tfd.MixtureSameFamily`, also of mixtures, or `tfd.OneHotCategorical`, with
            event_shape [d] and batch_shape [].
        kernel: kernel of `tfp.math.psd_kernels` with feature_ndims 1 and batch_shape [].
        estimator: "unbiased", which can be negative, or "biased", which cannot.
        weights: [n], not negative: how often each sample counts, in q(y) too. None counts each
            once. If all are zero, so are the value and its gradient.

    Returns:
        Scalar of the dtype of `samples`.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if shapes do not fit, there are no samples, `distribution` has no components,
            `estimator` is unknown, or known values are not finite, negative (`weights`), not
            positive (`kernel`) or out of range (`labels`).
        NotImplementedError: if no rule is registered for the components and the kernel.

    Example:

    >>> import tensorflow_probability as tfp
    >>> from aae_tf import priors
    >>> ring = priors.ring_mixture(5)
    >>> kernel = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=1.0)
    >>> labels = tf.range(200) % 6 - 1
    >>> samples = priors.conditional(ring, labels).sample(seed=[0, 1])
    >>> bool(abs(squared_mmd_given_labels(samples, labels, ring, kernel)) < 0.02)
    True
    >>> wrong = (labels + 2) % 6 - 1
    >>> bool(squared_mmd_given_labels(samples, wrong, ring, kernel) > 0.5)
    True

    References:
        Rustamov 2019, arXiv:1901.03227, section 3, for the closed forms. Makhzani et al. 2016,
        arXiv:1511.05644, section 2.3, for the labels. Differs: there a discriminator sees the
        label; the joint kernel and its division by q(y) are ours.
    """
    samples = check_points("samples", samples)
    check_distribution(distribution)
    check_kernel(kernel)
    check_dimensions("samples", samples, "distribution.event_shape", distribution.event_shape)
    labels = check_labels_of("labels", labels, check_components("distribution", distribution))
    check_rows("labels", labels, samples)
    check_choice("estimator", estimator, ESTIMATORS_OF_ALL_PAIRS)
    check_count("samples", samples, "biased")
    weights = (
        tf.ones_like(samples[:, 0])
        if weights is None
        else check_weights("weights", weights, samples)
    )

    parts = lift(lambda: _Parts(distribution, kernel), distribution, kernel)
    rows = labels + 1
    table = tf.gather(constant(parts.weights, samples.dtype), rows)
    mu = tf.reduce_sum(table * parts.components.evaluate(samples), axis=-1)
    norm = tf.gather(constant(parts.norms, samples.dtype), rows)
    groups = Groups(labels, weights)
    within, exists = groups.average(
        kernel_matrix(kernel, samples, samples), groups, estimator == "unbiased"
    )
    return tf.tensordot(groups.shares, norm - 2.0 * mu + tf.where(exists, within, norm), 1)


class _Parts:
    """What the estimate takes from the prior: a row for the whole, and one for each component.

    Attributes:
        components: mean embedding of the K components, as one batch.
        weights: float64 [K + 1, K], of the components.
        norms: float64 [K + 1], E k(X, X').
    """

    def __init__(self, distribution: Distribution, kernel: Kernel) -> None:
        weights, components = split(distribution)
        self.components: MeanEmbedding = embed(components, kernel)
        whole = tf.cast(weights, tf.float64)[tf.newaxis]
        whole /= tf.reduce_sum(whole)
        each = tf.eye(whole.shape[1], dtype=tf.float64)
        self.weights = tf.concat([whole, each], axis=0)
        products = tf.matmul(self.weights, self.components.norm())
        self.norms = tf.reduce_sum(products * self.weights, axis=1)
