"""Estimators of the squared maximum mean discrepancy."""

import tensorflow as tf

from aae_tf.checks import check_choice
from aae_tf.mmd.arguments import (
    ESTIMATORS,
    Distribution,
    Kernel,
    check_count,
    check_dimensions,
    check_distribution,
    check_kernel,
    check_points,
    check_rows,
    check_same_dtype,
    check_weights,
)
from aae_tf.mmd.fourier_features import FourierFeatures, average_over_features, mean_features
from aae_tf.mmd.pairs import (
    Groups,
    average_of_pairs,
    average_within,
    kernel_matrix,
    kernel_pairs,
    sample_shares,
    split_pairs,
)
from aae_tf.mmd.registry import constant, embed
from aae_tf.priors.arguments import check_labels


def squared_mmd(
    samples: tf.Tensor,
    distribution: Distribution,
    kernel: Kernel,
    estimator: str = "unbiased",
    weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """Estimates MMD^2 between what `samples` were drawn from and `distribution`.

    MMD^2 = E k(X, X') - 2 E k(X, Z) + E k(Z, Z'), with X, X' from `distribution` and Z, Z' from
    what the samples were drawn from. The expectations over X are exact. The last term is estimated
    from the n samples z_i with weights w_i:

        unbiased  sum_{i != j} w_i w_j k(z_i, z_j) / sum_{i != j} w_i w_j
        biased    sum_{i, j} w_i w_j k(z_i, z_j) / sum_{i, j} w_i w_j
        linear    the average over the pairs (1, 2), (3, 4), ... alone, weighed by w_i w_j

    The expectation of the unbiased estimate is the true MMD^2. Where both sides agree it is zero,
    and the estimate is negative about half of the time: a negative value is no error, but means
    that the difference is below the noise. The biased estimate is never negative beyond rounding,
    and on average too large by (k(z, z) - E k(Z, Z')) / n. The linear estimate is unbiased too if
    the rows are in random order, and takes time and memory linear in n. Where both sides agree, its
    noise falls with the square root of n, and that of the others with n. An odd last row has no
    pair, and enters E k(X, Z) alone. All estimates have finite gradients everywhere.

    While a `tf.function` is traced, what depends on `distribution` and `kernel` alone is computed
    once and becomes constants of the graph, unless their parameters are variables or tensors of
    the graph; gradients then reach those.

    Args:
        samples: float32 or float64 [n, d].
        distribution: `tfd.Distribution` with event_shape [d] and batch_shape [].
        kernel: kernel of `tfp.math.psd_kernels` with feature_ndims 1 and batch_shape [].
        estimator: "unbiased" or "linear", which need two samples, or "biased".
        weights: [n], not negative: how often each sample counts. None counts each once. Where
            no pair of samples has weight (all are zero; one alone is positive and the estimator
            is unbiased; no disjoint pair of the linear estimator has two positive weights) the
            value and its gradient are zero.

    Returns:
        Scalar of the dtype of `samples`.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if shapes do not fit, there are too few samples, `estimator` is unknown, or
            known values are not finite, negative (`weights`) or not positive (`kernel`).
        NotImplementedError: if no rule is registered for the two types.

    Example:

    >>> import tensorflow_probability as tfp
    >>> normal = tfp.distributions.Sample(tfp.distributions.Normal(0.0, 1.0), 2)
    >>> kernel = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=1.0)
    >>> samples = normal.sample(200, seed=[0, 1])
    >>> bool(abs(squared_mmd(samples, normal, kernel)) < 0.01)
    True
    >>> bool(squared_mmd(samples + 1.0, normal, kernel) > 0.1)
    True

    References:
        Gretton et al. 2012, lemma 6, and lemma 14 for the linear one; Rustamov 2019,
        arXiv:1901.03227, section 3.
    """
    samples = check_points("samples", samples)
    check_distribution(distribution)
    check_kernel(kernel)
    check_dimensions("samples", samples, "distribution.event_shape", distribution.event_shape)
    check_choice("estimator", estimator, ESTIMATORS)
    check_count("samples", samples, estimator)
    shares = sample_shares("weights", weights, samples)

    embedding = embed(distribution, kernel)
    within, mass = _within(samples, kernel, estimator, shares)
    across = tf.tensordot(shares, embedding.evaluate(samples), 1)
    estimate = constant(embedding.norm(), samples.dtype) - 2.0 * across + within
    return tf.where(mass > 0.0, estimate, 0.0)


def squared_mmd_two_samples(
    x: tf.Tensor,
    y: tf.Tensor,
    kernel: Kernel,
    estimator: str = "unbiased",
    x_weights: tf.Tensor | None = None,
    labels: tf.Tensor | None = None,
) -> tf.Tensor:
    """Estimates MMD^2 between what `x` and what `y` were drawn from.

    MMD^2 = E k(X, X') - 2 E k(X, Y) + E k(Y, Y'): every term is an average over pairs of samples.
    Pairs of one sample with itself are left out of the unbiased estimate. Where `y` comes from a
    prior with a closed form, `squared_mmd` has less noise and costs less.

    With `labels`, x[i] and y[i] share label i, and only rows of the same label are compared: the
    result is the average of the MMD^2 of every label, each weighed by its share of `x`, as in
    `squared_mmd_given_labels`. The unbiased estimate of a label with one row, x and y, has no pairs
    within x or within y. Both averages are then replaced by k(x, y), their expectation where both
    sides agree. The value is zero, but the gradient of -2 k(x, y) still draws x to y.

    The linear estimate averages, over disjoint pairs of rows,

        h_i = k(x_i, x_i+1) + k(y_i, y_i+1) - k(x_i, y_i+1) - k(x_i+1, y_i),  i = 1, 3, 5, ...

    weighed by the product of the two weights of x. Time and memory are linear in n. An odd last
    row of `x` and `y` is left out.

    Args:
        x: float32 or float64 [n, d].
        y: of the same dtype, [m, d]; m = n for the linear estimator.
        kernel: kernel of `tfp.math.psd_kernels` with feature_ndims 1 and batch_shape [].
        estimator: "unbiased" or "linear", which need two samples of each kind and can be
            negative, or "biased", which cannot. With `labels`, not "linear".
        x_weights: [n], not negative: how often each row of `x` counts, as in `squared_mmd`. None
            counts each once.
        labels: integers [n], any values, for n = m: what x[i] and y[i] have in common.

    Returns:
        Scalar of the dtype of `x`.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if shapes do not fit, there are too few samples, `estimator` is unknown, or
            known values are not finite, negative (`x_weights`) or not positive (`kernel`).

    Example:

    >>> import tensorflow_probability as tfp
    >>> kernel = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=1.0)
    >>> x = tf.random.stateless_normal([300, 2], seed=[0, 1])
    >>> y = tf.random.stateless_normal([200, 2], seed=[0, 2])
    >>> bool(abs(squared_mmd_two_samples(x, y, kernel)) < 0.01)
    True

    References:
        Gretton et al. 2012, lemma 6, and lemma 14 for the linear one. Differs: the weights.
    """
    x, y = check_points("x", x), check_points("y", y)
    check_same_dtype("y", y, "x", x)
    check_dimensions("y", y, "x.shape", x.shape)
    check_kernel(kernel)
    check_choice("estimator", estimator, ESTIMATORS)
    if estimator == "linear" and labels is not None:
        raise ValueError(
            "Expected `estimator` to be 'unbiased' or 'biased' where `labels` are given. "
            "Received: estimator='linear'."
        )
    # With labels, one row is enough for either estimator.
    counted_as = estimator if labels is None else "biased"
    check_count("x", x, counted_as)
    check_count("y", y, counted_as)
    if labels is not None:
        return _two_samples_given_labels(x, y, kernel, estimator, x_weights, labels)
    x_shares = sample_shares("x_weights", x_weights, x)
    if estimator == "linear":
        return _two_samples_in_pairs(x, y, kernel, x_shares)
    y_shares = sample_shares("y_weights", None, y)

    within_x, x_mass = _within(x, kernel, estimator, x_shares)
    within_y, y_mass = _within(y, kernel, estimator, y_shares)
    across = _across(x, y, kernel, x_shares, y_shares)
    estimate = within_x - 2.0 * across + within_y
    return tf.where(tf.minimum(x_mass, y_mass) > 0.0, estimate, 0.0)


def _two_samples_given_labels(
    x: tf.Tensor,
    y: tf.Tensor,
    kernel: Kernel,
    estimator: str,
    x_weights: tf.Tensor | None,
    labels: tf.Tensor,
) -> tf.Tensor:
    labels = check_labels("labels", labels)
    check_rows("labels", labels, x)
    check_rows("labels", labels, y)
    ones = tf.ones_like(y[:, 0])
    weights = ones if x_weights is None else check_weights("x_weights", x_weights, x)
    x_groups, y_groups = Groups(labels, weights), Groups(labels, ones)
    unbiased = estimator == "unbiased"
    across, _ = x_groups.average(kernel_matrix(kernel, x, y), y_groups, exclude_self=False)
    within_x, x_has_pairs = x_groups.average(kernel_matrix(kernel, x, x), x_groups, unbiased)
    within_y, y_has_pairs = y_groups.average(kernel_matrix(kernel, y, y), y_groups, unbiased)
    within_y = tf.where(y_has_pairs, within_y, tf.stop_gradient(across))
    within_x = tf.where(x_has_pairs, within_x, within_y)
    return tf.tensordot(x_groups.shares, within_x - 2.0 * across + within_y, 1)


def _two_samples_in_pairs(
    x: tf.Tensor, y: tf.Tensor, kernel: Kernel, x_shares: tf.Tensor
) -> tf.Tensor:
    if not x.shape.is_compatible_with(y.shape):
        raise ValueError(
            "Expected `y` to have as many rows as `x` for the linear estimator. "
            f"Received: x.shape={x.shape}, y.shape={y.shape}."
        )
    (x1, x2), (y1, y2), (w1, w2) = split_pairs(x), split_pairs(y), split_pairs(x_shares)
    within = kernel_pairs(kernel, x1, x2) + kernel_pairs(kernel, y1, y2)
    across = kernel_pairs(kernel, x1, y2) + kernel_pairs(kernel, x2, y1)
    return average_of_pairs(w1 * w2, within - across)[0]


def _across(
    x: tf.Tensor, y: tf.Tensor, kernel: Kernel, x_shares: tf.Tensor, y_shares: tf.Tensor
) -> tf.Tensor:
    if isinstance(kernel, FourierFeatures):
        means = (
            mean_features(kernel.features(points), shares)
            for points, shares in ((x, x_shares), (y, y_shares))
        )
        return tf.tensordot(*means, 1)
    return tf.tensordot(x_shares, tf.linalg.matvec(kernel_matrix(kernel, x, y), y_shares), 1)


def _within(
    points: tf.Tensor, kernel: Kernel, estimator: str, shares: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the average of k over pairs of `points`, and the sum of the weights of the pairs."""
    if isinstance(kernel, FourierFeatures) and estimator != "linear":
        return average_over_features(kernel.features(points), estimator, shares)
    return average_within(
        estimator,
        shares,
        lambda: kernel_matrix(kernel, points, points),
        lambda: kernel_pairs(kernel, *split_pairs(points)),
    )
