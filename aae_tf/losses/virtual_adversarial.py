"""The change of q(y|x) under the small perturbation of x that changes it most."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf import replicas
from aae_tf.checks import check_integer, check_positive
from aae_tf.losses.loss_term import LossTerm
from aae_tf.losses.weights import Weight, weighted_mean

_TINY = float(np.finfo(np.float32).tiny)


@keras.saving.register_keras_serializable(package="aae_tf")
class VirtualAdversarial(LossTerm):
    """The change of q(y|x) under a virtual adversarial perturbation of x.

    With p = q(y|x) held fixed, the term is KL(p || q(y|x + r)), nats, averaged over the batch,
    where r = `radius` u. The unit vector u (over all features of one example) is the result of a
    power iteration from a random start d:

        d <- g / |g|,  g = gradient of KL(p || q(y|x + finite_difference d)) by d

    The iteration converges to the dominant eigenvector of the KL's Hessian in x. Where the gradient
    is zero, d keeps its value.

    Args:
        radius: length of r, in units of the inputs, positive; 1.5 suits images in [0, 1] of 28x28
            pixels.
        num_power_iterations: at least 1; each takes one forward and one backward pass.
        finite_difference: length of the step at which the gradient is taken, in units of the
            inputs, positive. It should be of the order of `radius`: rounding errors dominate far
            smaller steps.
        weight: factor of this term in the loss, a number or a schedule.

    Raises:
        TypeError: if an argument is of the wrong type.
        ValueError: if it is out of its range.

    Example:

    >>> import tensorflow as tf
    >>> term = VirtualAdversarial(radius=0.5)
    >>> inputs = tf.constant([[1.0, 0.0], [0.0, 2.0]])
    >>> loss = term(tf.identity, inputs, logits=inputs, seed=[0, 1])
    >>> tuple(loss.shape), bool(loss > 0)
    ((), True)

    References:
        Miyato et al. 2018, *Virtual Adversarial Training* (arXiv:1704.03976), equations 5-12,
        algorithm 1. Differs: `finite_difference` is 1.0 where the authors' TensorFlow code has
        1e-6. On MNIST and a float32 network of 784-1000-1000-10 that fits its labels, the
        directions of 1e-6 have half the KL of those of 1.0; in float16 the difference is larger.
    """

    log_key = "consistency_loss"

    def __init__(
        self,
        radius: float = 1.5,
        num_power_iterations: int = 1,
        finite_difference: float = 1.0,
        weight: Weight = 1.0,
    ) -> None:
        super().__init__(weight)
        self.radius = check_positive("radius", radius)
        self.num_power_iterations = check_integer(
            "num_power_iterations", num_power_iterations, minimum=1
        )
        self.finite_difference = check_positive("finite_difference", finite_difference)

    def __call__(
        self,
        logits_function: Callable[[tf.Tensor], tf.Tensor],
        inputs: tf.Tensor,
        logits: tf.Tensor,
        seed: tf.Tensor,
        sample_weight: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Returns the term on one batch.

        Args:
            logits_function: inputs [batch, ...] to logits [batch, K], called
                `num_power_iterations + 1` times. It has no side effects such as moving averages,
                and the same noise in every call and in `logits`: any other difference between
                calls would be taken for an effect of r.
            inputs: float [batch, ...], of any rank.
            logits: float [batch, K], `logits_function(inputs)`; no gradient flows into them.
            seed: integer [2], fixes the start d.
            sample_weight: [batch], zero or more; None counts every row once.

        Returns:
            float32 scalar, nats; its gradient flows through the last forward pass alone.
        """
        disturbance = self.disturbance(logits_function, inputs, logits, seed)
        changed = logits_function(inputs + tf.cast(disturbance, inputs.dtype))
        return weighted_mean(_divergence(logits, changed), sample_weight)

    def disturbance(
        self,
        logits_function: Callable[[tf.Tensor], tf.Tensor],
        inputs: tf.Tensor,
        logits: tf.Tensor,
        seed: tf.Tensor,
    ) -> tf.Tensor:
        """Returns r, float32 like `inputs`, every row of length `radius`; see `__call__`."""
        count, shape = tf.shape(inputs)[0], tf.shape(inputs)[1:]
        start = replicas.draw_rows(
            count, lambda n: tf.random.stateless_normal(tf.concat([[n], shape], axis=0), seed)
        )
        direction = _unit(tf.ensure_shape(start, inputs.shape), otherwise=tf.zeros_like(start))
        for _ in range(self.num_power_iterations):
            step = self.finite_difference * direction
            with tf.GradientTape() as tape:
                tape.watch(step)
                changed = logits_function(inputs + tf.cast(step, inputs.dtype))
                # The sum, since the rows are independent. Its gradient shrinks with the step;
                # divided by the step, it does not underflow for float16 features.
                divergence = tf.reduce_sum(_divergence(logits, changed)) / self.finite_difference
            gradient = tape.gradient(
                divergence, step, unconnected_gradients=tf.UnconnectedGradients.ZERO
            )
            direction = _unit(gradient, otherwise=direction)
        return tf.stop_gradient(self.radius * direction)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "radius": self.radius,
            "num_power_iterations": self.num_power_iterations,
            "finite_difference": self.finite_difference,
        }


def _divergence(fixed: tf.Tensor, changed: tf.Tensor) -> tf.Tensor:
    """Returns KL(softmax(fixed) || softmax(changed)), nats [batch], with no gradient in `fixed`."""
    log_p = tf.nn.log_softmax(tf.stop_gradient(tf.cast(fixed, tf.float32)))
    log_q = tf.nn.log_softmax(tf.cast(changed, tf.float32))
    return tf.reduce_sum(tf.exp(log_p) * (log_p - log_q), axis=-1)


def _unit(vectors: tf.Tensor, otherwise: tf.Tensor) -> tf.Tensor:
    """Divides every row by its length; a row of zeros is replaced by that of `otherwise`."""
    axes = list(range(1, vectors.shape.rank))
    largest = tf.reduce_max(tf.abs(vectors), axis=axes, keepdims=True)
    # Rows are scaled first, since the squares of a small gradient underflow in float32. Then the
    # length is 1 or more.
    scaled = vectors / tf.maximum(largest, _TINY)
    length = tf.sqrt(tf.reduce_sum(tf.square(scaled), axis=axes, keepdims=True))
    return tf.where(largest > _TINY, scaled / tf.maximum(length, 1.0), otherwise)
