"""The interface of a mean embedding."""

import abc

import tensorflow as tf


class MeanEmbedding(abc.ABC):
    """A distribution p as a kernel k sees it: the function mu(z) = E k(z, X), X drawn from p.

    Rules registered with `RegisterMeanEmbedding` return instances. The constructor computes
    everything that does not depend on the points (factorisations, determinants, the norm), in
    float64, so that `evaluate` and `norm` share it and a traced function holds it as constants.

    Batches follow TensorFlow Probability: sums stack their Gaussian kernels into one kernel of
    batch shape [m], and mixtures are distributions of batch shape [K]. A rule that is to serve
    inside sums or mixtures therefore broadcasts over both.
    """

    @abc.abstractmethod
    def evaluate(self, points: tf.Tensor) -> tf.Tensor:
        """Returns mu at every point.

        Args:
            points: float32 or float64 [n, d].

        Returns:
            Tensor of the dtype of `points` and shape
            [n] + kernel.batch_shape + distribution.batch_shape.
        """

    @abc.abstractmethod
    def norm(self) -> tf.Tensor:
        """Returns E k(X, Y) for independent X and Y, the squared norm of mu.

        Returns:
            float64 tensor of shape
            kernel.batch_shape + distribution.batch_shape + distribution.batch_shape: a scalar
            without batches. In a batch, X comes from the member that the first index names and Y
            from the second.
        """
