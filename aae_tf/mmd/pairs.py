"""Kernel values of pairs of points, and their weighted averages."""

from collections.abc import Callable

import tensorflow as tf

from aae_tf.mmd.arguments import Kernel, check_weights
from aae_tf.mmd.gaussian_kernels import heights_and_widths, stack_gaussians, terms_of
from aae_tf.mmd.radial_kernels import RadialKernel
from aae_tf.mmd.registry import constant, lift


def kernel_matrix(kernel: Kernel, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Computes k(x_i, y_j) for all pairs; terms of a sum share the distances.

    Args:
        kernel: kernel of batch shape [].
        x: float32 or float64 [n, d].
        y: of the same dtype, [m, d].

    Returns:
        Tensor [n, m] of the same dtype.
    """
    gaussians, others = lift(lambda: stack_gaussians(terms_of(kernel)), kernel)
    distances = squared_distances(x, y)
    values = [
        other.of_squared_distances(distances, x.shape[1])
        if isinstance(other, RadialKernel)
        else other.matrix(x, y)
        for other in others
    ]
    if gaussians is not None:
        log_heights, squared_widths = lift(lambda: heights_and_widths(gaussians), gaussians)
        # One pass per width is faster than a [width, n, m] stack, which exceeds the cache.
        values += [
            tf.exp(log_height - distances / (2.0 * squared_width))
            for log_height, squared_width in zip(
                tf.unstack(constant(log_heights, x.dtype)),
                tf.unstack(constant(squared_widths, x.dtype)),
                strict=True,
            )
        ]
    return tf.add_n(values)


def squared_distances(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Computes |x_i - y_j|^2 for all pairs by one matrix product in float64.

    |x|^2 + |y|^2 - 2 x'y cancels where points are close to each other and far from the origin. In
    float32 a narrow kernel could lose all its digits; in float64 more digits remain than float32
    can hold. Up to some hundred dimensions float64 costs no more time, since the exponentials of
    the kernel take most of it. Differences of all pairs [n, m, d] are as accurate but slower.

    Args:
        x: float32 or float64 [n, d].
        y: of the same dtype, [m, d].

    Returns:
        Tensor [n, m] of the same dtype. Rounding can make the distance of equal points
        +-1e-16 |x|^2. It is not clipped at zero: the gradient of a clip would be wrong there, and
        the exponential needs none.
    """
    x64, y64 = tf.cast(x, tf.float64), tf.cast(y, tf.float64)
    return tf.cast(
        tf.reduce_sum(tf.square(x64), axis=1)[:, tf.newaxis]
        + tf.reduce_sum(tf.square(y64), axis=1)
        - 2.0 * tf.matmul(x64, y64, transpose_b=True),
        x.dtype,
    )


def kernel_pairs(kernel: Kernel, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Computes k(x_i, y_i) for every row; see `kernel_matrix` for all pairs.

    Args:
        kernel: kernel of batch shape [].
        x: float32 or float64 [n, d].
        y: of the same dtype and shape.

    Returns:
        Tensor [n] of the same dtype.
    """
    gaussians, others = lift(lambda: stack_gaussians(terms_of(kernel)), kernel)
    values = [other.apply(x, y) for other in others]
    if gaussians is not None:
        log_heights, squared_widths = lift(lambda: heights_and_widths(gaussians), gaussians)
        distances = tf.reduce_sum(tf.math.squared_difference(x, y), axis=1, keepdims=True)
        exponents = distances / (2.0 * constant(squared_widths, x.dtype))
        heights = tf.exp(constant(log_heights, x.dtype) - exponents)
        values.append(tf.reduce_sum(heights, axis=1))
    return tf.add_n(values)


def sample_shares(argument: str, weights: tf.Tensor | None, points: tf.Tensor) -> tf.Tensor:
    """Normalises weights to a sum of one, or of zero if all are zero.

    Args:
        argument: name of the weights, for messages.
        weights: [n], not negative; None gives each sample the weight 1.
        points: [n, d].

    Returns:
        Tensor [n] of the dtype of `points`.
    """
    if weights is None:
        count = tf.shape(points)[0]
        return tf.fill([count], 1.0 / tf.cast(count, points.dtype))
    weights = check_weights(argument, weights, points)
    return tf.math.divide_no_nan(weights, tf.reduce_sum(weights))


def average_within(
    estimator: str,
    shares: tf.Tensor,
    all_pairs: Callable[[], tf.Tensor],
    disjoint_pairs: Callable[[], tf.Tensor],
) -> tuple[tf.Tensor, tf.Tensor]:
    """Averages over the pairs of an estimator: i != j, all, or (1, 2), (3, 4), ...

    Args:
        estimator: one of `ESTIMATORS`.
        shares: [n], the weight of each sample; the weight of a pair is the product of its two.
        all_pairs: returns the kernel's values at all pairs, [n, n].
        disjoint_pairs: returns the kernel's values at the pairs of `split_pairs`, [n // 2].

    Returns:
        The average, zero if no pair has weight, and the sum of the weights of the pairs.
    """
    if estimator == "linear":
        first, second = split_pairs(shares)
        return average_of_pairs(first * second, disjoint_pairs())
    values = all_pairs()
    if estimator == "unbiased":
        values *= off_diagonal(values)
    mass = mass_of_pairs(estimator, shares)
    total = tf.tensordot(shares, tf.linalg.matvec(values, shares), 1)
    return tf.math.divide_no_nan(total, mass), mass


def mass_of_pairs(estimator: str, shares: tf.Tensor) -> tf.Tensor:
    """Returns the sum of the weights of the pairs i != j ("unbiased") or of all pairs."""
    return tf.reduce_sum(shares * (1.0 - shares) if estimator == "unbiased" else shares)


def average_of_pairs(weights: tf.Tensor, values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the average of `values` [m], zero if all `weights` [m] are, and their sum."""
    mass = tf.reduce_sum(weights)
    return tf.math.divide_no_nan(tf.reduce_sum(weights * values), mass), mass


def split_pairs(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Splits rows into the pairs (1, 2), (3, 4), ...; an odd last row is left out.

    Args:
        rows: [n, ...].

    Returns:
        Two tensors [n // 2, ...]: the first row of each pair, and the second.
    """
    # Under XLA, the gradient of rows[1::2] has a wrong shape where that slice is empty.
    count = tf.shape(rows)[0] // 2
    pairs = tf.reshape(rows[: 2 * count], tf.concat([[count, 2], tf.shape(rows)[1:]], axis=0))
    return pairs[:, 0], pairs[:, 1]


class Groups:
    """Groups of rows that share a label, and the weight of each row in its group.

    Args:
        labels: integers [n], any values.
        weights: [n], zero or more.

    Attributes:
        shares: [n], each row's share of the total weight; their sum is one, or zero if all weights
            are zero.
        group_shares: [n], each row's share of the weight of its group.
        same: [n, n], one where two rows share their label, else zero.
    """

    def __init__(self, labels: tf.Tensor, weights: tf.Tensor) -> None:
        self.same = tf.cast(labels[:, tf.newaxis] == labels, weights.dtype)
        self.shares = tf.math.divide_no_nan(weights, tf.reduce_sum(weights))
        self.group_shares = tf.math.divide_no_nan(
            self.shares, tf.linalg.matvec(self.same, self.shares)
        )

    def average(
        self, values: tf.Tensor, others: "Groups", exclude_self: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Averages over the pairs of a row of these groups and a row of `others` with its label.

        Args:
            values: [n, n], one for each pair.
            others: groups of the same labels, with weights of their own.
            exclude_self: whether pairs (i, i) are left out.

        Returns:
            The average over the group of each row [n], zero where a group has no pair, and
            whether it has one.
        """
        pairs = self.same * off_diagonal(self.same) if exclude_self else self.same
        # Both sums run over the same products: nothing is subtracted, so nothing cancels.
        total = self._sum_by_group(tf.linalg.matvec(pairs * values, others.group_shares))
        mass = self._sum_by_group(tf.linalg.matvec(pairs, others.group_shares))
        return tf.math.divide_no_nan(total, mass), mass > 0.0

    def _sum_by_group(self, values: tf.Tensor) -> tf.Tensor:
        return tf.linalg.matvec(self.same, self.group_shares * values)


def off_diagonal(values: tf.Tensor) -> tf.Tensor:
    """Returns zero on the diagonal and one elsewhere, in the shape [n, n] and dtype of `values`.

    A product with it has a gradient under XLA for any n, unlike `tf.linalg.set_diag`.
    """
    index = tf.range(tf.shape(values)[0])
    return tf.cast(index[:, tf.newaxis] != index, values.dtype)
