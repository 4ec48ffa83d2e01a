"""Averages over pairs of rows that share a label."""

import tensorflow as tf


class Groups:
    """Rows that share a label, and how much each row counts in its group.

    Args:
        labels: integers [n], any values.
        weights: [n], zero or more.

    Attributes:
        shares: [n], of all rows; their sum is one, or zero if all weights are.
        within: [n], of the rows of the same group.
        same: [n, n], one where two rows share their label, else zero.
    """

    def __init__(self, labels: tf.Tensor, weights: tf.Tensor) -> None:
        self.same = tf.cast(labels[:, tf.newaxis] == labels, weights.dtype)
        self.shares = tf.math.divide_no_nan(weights, tf.reduce_sum(weights))
        self.within = tf.math.divide_no_nan(self.shares, tf.linalg.matvec(self.same, self.shares))

    def average(
        self, values: tf.Tensor, others: "Groups", exclude_self: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Averages over the pairs of a row here and a row of `others` that share their label.

        Args:
            values: [n, n], one for each pair.
            others: groups of the same labels, with weights of their own.
            exclude_self: whether pairs (i, i) are left out.

        Returns:
            The average over the group of each row [n], zero where a group has no pair, and
            whether it has one.
        """
        pairs = self.same * off_diagonal(self.same) if exclude_self else self.same
        # The sums of both sides run over the same products: no difference can cancel.
        total = self._sum(tf.linalg.matvec(pairs * values, others.within))
        mass = self._sum(tf.linalg.matvec(pairs, others.within))
        return tf.math.divide_no_nan(total, mass), mass > 0.0

    def _sum(self, values: tf.Tensor) -> tf.Tensor:
        return tf.linalg.matvec(self.same, self.within * values)


def off_diagonal(values: tf.Tensor) -> tf.Tensor:
    """Returns zero on the diagonal and one elsewhere, in the shape [n, n] and dtype of `values`.

    A product with it has a gradient under XLA for any n, which `tf.linalg.set_diag` has not.
    """
    index = tf.range(tf.shape(values)[0])
    return tf.cast(index[:, tf.newaxis] != index, values.dtype)
