"""What a test by the squared MMD answers."""

from typing import NamedTuple

import tensorflow as tf


class MMDTestResult(NamedTuple):
    """The answer of `goodness_of_fit` and `two_sample_test`.

    Attributes:
        statistic: scalar, the unbiased estimate of MMD^2; about zero, of either sign, where both
            sides agree.
        p_value: scalar in (0, 1], how often chance alone gives such a statistic or a larger one.
            Where both sides agree it is about uniform: below 0.05 in about 5% of all cases.

    Example:

    >>> result = MMDTestResult(tf.constant(0.1), tf.constant(0.01))
    >>> bool(result.p_value < 0.05)
    True
    """

    statistic: tf.Tensor
    p_value: tf.Tensor
