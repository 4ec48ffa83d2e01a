"""The noise of an average over pairs of samples."""

import tensorflow as tf


def inverse_noise(samples: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
    """Gives 1 / s, where the unbiased MMD^2 has standard deviation s sqrt(V) under q = p.

    It averages over pairs i != j with mass w_i w_j, so s^2 = 2 sum w_i^2 w_j^2 / (sum w_i w_j)^2;
    without weights s^2 = 2 / (n(n-1)). V is `null_variance`.

    Args:
        samples: floating point [n, d].
        weights: [n] of the same dtype, not negative; None counts each sample once.

    Returns:
        Scalar of the dtype of `samples`; zero where no pair is left.
    """
    weights = tf.ones_like(samples[:, 0]) if weights is None else weights
    first, second, fourth = (tf.reduce_sum(weights**power) for power in (1, 2, 4))
    pairs, squared_pairs = first**2 - second, second**2 - fourth
    return tf.math.divide_no_nan(pairs, tf.sqrt(2.0 * squared_pairs))
