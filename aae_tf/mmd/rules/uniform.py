"""Independent uniform coordinates: boxes."""

import math
from collections.abc import Sequence

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.rules.coordinates import Family, register_family

tfd = tfp.distributions


class Uniform(Family):
    """U[low, high], L = high - low; P is the standard normal's distribution function.

        E exp(-(z - X)^2 / (2 s)) = sqrt(2 pi s) / L [P((high - z)/sqrt(s)) - P((low - z)/sqrt(s))]
        E exp(-(X - Y)^2 / (2 s)) = [G(high_1 - low_2) - G(high_1 - high_2)
                                     - G(low_1 - low_2) + G(low_1 - high_2)] / (L_1 L_2)
        G(t)         = t sqrt(pi s / 2) erf(t / sqrt(2 s)) + s (exp(-t^2 / (2 s)) - 1)
        E exp(i w X) = exp(i w (low + high) / 2) sin(w L / 2) / (w L / 2)

    where G'' = exp(-t^2 / (2 s)). Parameters: low and high.

    References:
        Briol et al. 2025, arXiv:2504.18830.
    """

    def log_embedding(
        self, points: tf.Tensor, squared_widths: tf.Tensor, *parameters: tf.Tensor
    ) -> tf.Tensor:
        """Gives log E exp(-(z - X)^2 / (2 s))."""
        low, high = parameters
        widths = tf.sqrt(squared_widths)
        below, above = (low - points) / widths, (high - points) / widths
        # Mirrored into the lower tail, neither distribution function rounds to one, so the
        # logarithm of their difference and its gradient are finite at any distance.
        mirrored = below > 0.0
        upper = tf.where(mirrored, -below, above)
        lower = tf.where(mirrored, -above, below)
        normal = tfd.Normal(tf.zeros([], tf.float64), 1.0)
        log_masses = tfp.math.log_sub_exp(normal.log_cdf(upper), normal.log_cdf(lower))
        return tf.math.log(math.sqrt(2.0 * math.pi) * widths / (high - low)) + log_masses

    def norm(
        self,
        squared_widths: tf.Tensor,
        first: Sequence[tf.Tensor],
        second: Sequence[tf.Tensor],
    ) -> tf.Tensor:
        """Gives E exp(-(X - Y)^2 / (2 s))."""
        (low, high), (other_low, other_high) = first, second
        integrals = (
            _antiderivative(high - other_low, squared_widths)
            - _antiderivative(high - other_high, squared_widths)
            - _antiderivative(low - other_low, squared_widths)
            + _antiderivative(low - other_high, squared_widths)
        )
        return integrals / ((high - low) * (other_high - other_low))

    def characteristic(self, frequencies: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Gives E exp(i w X)."""
        low, high = parameters
        half = 0.5 * frequencies * (high - low)
        is_flat = tf.abs(half) < 1e-8
        one = tf.ones_like(half)
        length = tf.where(is_flat, one, tf.sin(half) / tf.where(is_flat, one, half))
        phase = 0.5 * frequencies * (low + high)
        return tf.complex(length * tf.cos(phase), length * tf.sin(phase))


def _antiderivative(offsets: tf.Tensor, squared_widths: tf.Tensor) -> tf.Tensor:
    """Returns G(offsets)."""
    return offsets * tf.sqrt(0.5 * math.pi * squared_widths) * tf.math.erf(
        offsets / tf.sqrt(2.0 * squared_widths)
    ) + squared_widths * tf.math.expm1(-tf.square(offsets) / (2.0 * squared_widths))


register_family(tfd.Uniform, lambda uniform: (Uniform(), (uniform.low, uniform.high)))
