"""The squared MMD of labelled samples, each compared with the component that its label names."""

import tensorflow as tf

from aae_tf.checks import check_choice
from aae_tf.mmd.arguments import (
    ESTIMATORS_OF_ALL_PAIRS,
    Distribution,
    Kernel,
    check_count,
    check_dimensions,
    check_distribution,
    check_kernel,
    check_points,
    check_rows,
    check_weights,
)
from aae_tf.mmd.pairs import Groups, kernel_matrix
from aae_tf.mmd.registry import MeanEmbedding, constant, embed, lift
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
    would be sum_y q(y)^2 MMD^2: with 10 classes in a labelled tenth of a batch, each class would
    have the weight of one ten-thousandth, and the labels next to no effect.

    The samples of each label are compared with their component as in `squared_mmd`. The unbiased
    estimate needs two samples of a label. For a label with a single sample z, E k(X, X') replaces
    E k(Z, Z'), to which it is equal where both sides agree. The estimate is then
    2 (E k(X, X') - mu(z)): its gradient draws z to the component, its expectation is zero where
    both sides agree, and it is biased elsewhere.

    Args:
        samples: float32 or float64 [n, d].
        labels: integers [n], the component of each sample, -1 where it is unknown. Other values
            raise ValueError; where a graph computes them as it runs, they count as -1.
        distribution: `tfd.MixtureSameFamily`, also of mixtures, or `tfd.OneHotCategorical`, with
            event_shape [d] and batch_shape [].
        kernel: kernel of `tfp.math.psd_kernels` with feature_ndims 1 and batch_shape [].
        estimator: "unbiased", which can be negative, or "biased", which cannot.
        weights: [n], not negative: how often each sample counts, in q(y) too. None counts each
            once. If all weights are zero, the value and its gradient are zero.

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
        arXiv:1511.05644, section 2.3, for the labels. Differs: Makhzani et al. give the label to a
        discriminator; the joint kernel and its division by q(y) are ours.
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

    components = lift(lambda: _Components(distribution, kernel), distribution, kernel)
    rows = labels + 1
    component_weights = tf.gather(constant(components.weights, samples.dtype), rows)
    mu = tf.reduce_sum(component_weights * components.embedding.evaluate(samples), axis=-1)
    norm = tf.gather(constant(components.norms, samples.dtype), rows)
    groups = Groups(labels, weights)
    within, has_pairs = groups.average(
        kernel_matrix(kernel, samples, samples), groups, estimator == "unbiased"
    )
    return tf.tensordot(groups.shares, norm - 2.0 * mu + tf.where(has_pairs, within, norm), 1)


class _Components:
    """Embeddings of the components of a prior, with a row for the whole prior before theirs.

    Attributes:
        embedding: mean embedding of the K components, as one batch.
        weights: float64 [K + 1, K], the weights of the components in each row's distribution.
        norms: float64 [K + 1], E k(X, X').
    """

    def __init__(self, distribution: Distribution, kernel: Kernel) -> None:
        weights, components = split(distribution)
        self.embedding: MeanEmbedding = embed(components, kernel)
        whole = tf.cast(weights, tf.float64)[tf.newaxis]
        whole /= tf.reduce_sum(whole)
        each = tf.eye(whole.shape[1], dtype=tf.float64)
        self.weights = tf.concat([whole, each], axis=0)
        products = tf.matmul(self.weights, self.embedding.norm())
        self.norms = tf.reduce_sum(products * self.weights, axis=1)
