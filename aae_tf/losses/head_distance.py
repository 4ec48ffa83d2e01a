"""A penalty on cluster heads that are too close to each other."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf.checks import check_positive
from aae_tf.losses.loss_term import LossTerm
from aae_tf.losses.weights import Weight


@keras.saving.register_keras_serializable(package="aae_tf")
class HeadDistance(LossTerm):
    """Keeps cluster heads apart: the sum over pairs of max(0, distance - |w_i - w_j|).

    The term is zero when all heads are at least `distance` apart, and linear in the missing
    distance otherwise. The distance of two heads at the same point has no gradient; each such pair
    gets a fixed direction of its own as a subgradient, along which the two move apart.

    Args:
        distance: Euclidean distance that every pair of heads should have, positive, in units of
            the code.
        weight: factor of this term in the loss, a number or a schedule.

    Raises:
        TypeError: if an argument is of the wrong type.
        ValueError: if it is out of its range.

    Example:

    >>> import tensorflow as tf
    >>> float(HeadDistance(distance=5.0)(tf.constant([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]])))
    3.0

    References:
        Makhzani et al. 2016, *Adversarial Autoencoders* (arXiv:1511.05644), section 7.
    """

    log_key = "head_loss"

    def __init__(self, distance: float, weight: Weight = 1.0) -> None:
        super().__init__(weight)
        self.distance = check_positive("distance", distance)

    def __call__(self, heads: tf.Tensor) -> tf.Tensor:
        """Returns the penalty of heads [m, n], a float32 scalar in units of the code."""
        heads = tf.cast(heads, tf.float32)
        differences = _differences(heads)
        squared = tf.reduce_sum(tf.square(differences), axis=2)
        is_zero = squared < np.finfo(np.float32).tiny
        # The norm has no gradient at zero, but any vector no longer than 1 is a subgradient.
        directions = _differences(tf.random.stateless_normal(heads.shape, seed=[0, 0]))
        projected = tf.reduce_sum(differences * tf.math.l2_normalize(directions, axis=2), axis=2)
        norm = tf.where(is_zero, projected, tf.sqrt(tf.where(is_zero, 1.0, squared)))
        # Each pair once.
        upper = np.triu(np.ones([heads.shape[0]] * 2, np.float32), k=1)
        return tf.reduce_sum(upper * tf.nn.relu(self.distance - norm))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "distance": self.distance}


def _differences(points: tf.Tensor) -> tf.Tensor:
    """Returns w_i - w_j [m, m, n], by broadcasting: `tf.gather` would make gradients sparse."""
    return points[:, tf.newaxis] - points[tf.newaxis]
