"""Independent bits."""

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.rules.coordinates import Family, register_family

tfd = tfp.distributions


class Bernoulli(Family):
    """1 with probability p, else 0.

        E exp(-(z - X)^2 / (2 s)) = (1 - p) exp(-z^2 / (2 s)) + p exp(-(z - 1)^2 / (2 s))
        E exp(-(X - Y)^2 / (2 s)) = 1 - u + u exp(-1 / (2 s)),  u = p_1 (1 - p_2) + p_2 (1 - p_1)
        E exp(i w X)              = 1 - p + p exp(i w)

    Parameter: p.
    """

    def log_embedding(
        self, points: tf.Tensor, squared_widths: tf.Tensor, *parameters: tf.Tensor
    ) -> tf.Tensor:
        """Gives log E exp(-(z - X)^2 / (2 s))."""
        (probs,) = parameters
        log_probs = tf.math.log(tf.stack([1.0 - probs, probs], axis=-1))
        offsets = points[..., tf.newaxis] - tf.constant([0.0, 1.0], tf.float64)
        exponents = tf.square(offsets) / (2.0 * squared_widths[..., tf.newaxis])
        return tf.reduce_logsumexp(log_probs - exponents, axis=-1)

    def norm(
        self,
        squared_widths: tf.Tensor,
        first: Sequence[tf.Tensor],
        second: Sequence[tf.Tensor],
    ) -> tf.Tensor:
        """Gives E exp(-(X - Y)^2 / (2 s))."""
        (probs,), (other,) = first, second
        unequal = probs * (1.0 - other) + other * (1.0 - probs)
        return 1.0 + unequal * tf.math.expm1(-0.5 / squared_widths)

    def characteristic(self, frequencies: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Gives E exp(i w X)."""
        (probs,) = parameters
        return tf.complex(1.0 - probs + probs * tf.cos(frequencies), probs * tf.sin(frequencies))


register_family(tfd.Bernoulli, lambda bits: (Bernoulli(), (bits.probs_parameter(),)))
