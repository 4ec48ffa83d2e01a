"""Estimators of the squared maximum mean discrepancy."""

import tensorflow as tf

from aae_tf.checks import check_choice
from aae_tf.mmd.arguments import (
    ESTIMATORS,
    check_count,
    check_dimensions,
    check_distribution,
    check_kernel,
    check_points,
    check_rows,
    check_weights,
)
from aae_tf.mmd.constants import constant
from aae_tf.mmd.groups import Groups, off_diagonal
from aae_tf.mmd.kernel_matrix import kernel_matrix
from aae_tf.mmd.registry import embed
from aae_tf.mmd.types import Distribution, Kernel
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
    the other side. Terms with X are exact; those of the n samples z_i, w_i their weights, are

        unbiased  sum_{i != j} w_i w_j k(z_i, z_j) / sum_{i != j} w_i w_j
        biased    sum_{i, j} w_i w_j k(z_i, z_j) / sum_{i, j} w_i w_j

    The unbiased estimate averages to the true MMD^2, so it averages to zero and is negative about
    half of the time where both sides agree: a negative value is no error, it says that nothing is
    to be seen above the noise. The biased one is never negative beyond rounding, and on average
    too large by (k(z, z) - E k(Z, Z')) / n. Both have gradients that are finite everywhere.

    While a `tf.function` is traced, what depends on `distribution` and `kernel` alone is computed
    once and becomes constants of the graph, unless their parameters are variables or tensors of
    the graph; gradients then reach those.

    Args:
        samples: float32 or float64 [n, d].
        distribution: `tfd.Distribution` with event_shape [d] and batch_shape [].
        kernel: kernel of `tfp.math.psd_kernels` with feature_ndims 1 and batch_shape [].
        estimator: "unbiased", which needs two samples, or "biased".
        weights: [n], not negative: how often each sample counts. None counts each once. Where
            the weights leave nothing to average over (all zero, or one positive weight in the
            unbiased estimator) the value and its gradient are zero.

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
        Gretton et al. 2012, lemma 6; Rustamov 2019, arXiv:1901.03227, section 3.
    """
    samples = check_points("samples", samples)
    check_distribution(distribution)
    check_kernel(kernel)
    check_dimensions("samples", samples, "distribution.event_shape", distribution.event_shape)
    check_choice("estimator", estimator, ESTIMATORS)
    check_count("samples", samples, estimator)
    shares = _shares("weights", weights, samples)

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
    `squared_mmd_given_labels`. There, one sample alone takes for the averages that it lacks what
    they are when both sides agree. Here this is k(x, y) itself: a group of one row counts with
    zero, and the gradient of -2 k(x, y) still draws x to y.

    Args:
        x: float32 or float64 [n, d].
        y: of the same dtype, [m, d].
        kernel: kernel of `tfp.math.psd_kernels` with feature_ndims 1 and batch_shape [].
        estimator: "unbiased", which needs two samples of each kind and can be negative, or
            "biased", which cannot.
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
        Gretton et al. 2012, lemma 6.
    """
    x, y = check_points("x", x), check_points("y", y)
    if x.dtype != y.dtype:
        raise TypeError(
            "Expected `y` to have the dtype of `x`. "
            f"Received: x.dtype={x.dtype.name}, y.dtype={y.dtype.name}."
        )
    check_dimensions("y", y, "x.shape", x.shape)
    check_kernel(kernel)
    check_choice("estimator", estimator, ESTIMATORS)
    # A group of one row counts too.
    needed = estimator if labels is None else "biased"
    check_count("x", x, needed)
    check_count("y", y, needed)
    if labels is not None:
        return _two_samples_given_labels(x, y, kernel, estimator, x_weights, labels)
    x_shares = _shares("x_weights", x_weights, x)
    y_shares = _shares("y_weights", None, y)

    within_x, x_mass = _within(x, kernel, estimator, x_shares)
    within_y, y_mass = _within(y, kernel, estimator, y_shares)
    across = tf.tensordot(x_shares, tf.linalg.matvec(kernel_matrix(kernel, x, y), y_shares), 1)
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


def _shares(argument: str, weights: tf.Tensor | None, points: tf.Tensor) -> tf.Tensor:
    """Returns weights that sum to one, or to zero if all are zero."""
    if weights is None:
        count = tf.shape(points)[0]
        return tf.fill([count], 1.0 / tf.cast(count, points.dtype))
    weights = check_weights(argument, weights, points)
    return tf.math.divide_no_nan(weights, tf.reduce_sum(weights))


def _within(
    points: tf.Tensor, kernel: Kernel, estimator: str, shares: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the average of k over pairs of `points`, and what the weights of the pairs sum to."""
    values = kernel_matrix(kernel, points, points)
    if estimator == "unbiased":
        values *= off_diagonal(values)
        mass = tf.reduce_sum(shares * (1.0 - shares))
    else:
        mass = tf.reduce_sum(shares)
    total = tf.tensordot(shares, tf.linalg.matvec(values, shares), 1)
    return tf.math.divide_no_nan(total, mass), mass
