"""Independent Laplace coordinates."""

import math
from collections.abc import Sequence

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.integrals import log_matern_average
from aae_tf.mmd.rules.coordinates import Family, register_family

tfd = tfp.distributions

# Relative to the scales: where they differ by less, they count as equal, to the square of this.
_EQUAL = 1e-5


class Laplace(Family):
    """Density exp(-|x - m| / b) / (2 b), a Matern kernel of order 1/2 in the shape of a density.

    A Gaussian kernel is a normal density in the shape of a kernel, so with D ~ N(z - m, s),

        E exp(-(z - X)^2 / (2 s)) = sqrt(2 pi s) / (2 b) E exp(-|D| / b) = Q(z - m, b)
        E exp(-(X - Y)^2 / (2 s)) = sqrt(2 pi s) / (4 b) E (1 + |D| / b) exp(-|D| / b)
                                    for equal scales, D ~ N(m_1 - m_2, s), else
                                  = [b_1^2 Q(m_1 - m_2, b_1) - b_2^2 Q(m_1 - m_2, b_2)]
                                    / (b_1^2 - b_2^2)
        E exp(i w X)              = exp(i w m) / (1 + b^2 w^2)

    by partial fractions of the product of two characteristic functions. Parameters: m and b.
    """

    def log_embedding(
        self, points: tf.Tensor, squared_widths: tf.Tensor, *parameters: tf.Tensor
    ) -> tf.Tensor:
        """Gives log E exp(-(z - X)^2 / (2 s))."""
        loc, scale = parameters
        return _log_average(points - loc, squared_widths, scale)

    def norm(
        self,
        squared_widths: tf.Tensor,
        first: Sequence[tf.Tensor],
        second: Sequence[tf.Tensor],
    ) -> tf.Tensor:
        """Gives E exp(-(X - Y)^2 / (2 s))."""
        (loc, scale), (other_loc, other_scale) = first, second
        offsets = loc - other_loc
        square, other_square = tf.square(scale), tf.square(other_scale)
        difference = square - other_square
        mean = tf.sqrt(0.5 * (square + other_square))
        is_equal = tf.abs(difference) < _EQUAL * tf.square(mean)
        # Order 3/2 of a Matern kernel has the slope sqrt(3) / width.
        equal = (
            tf.exp(log_matern_average(offsets, squared_widths, math.sqrt(3.0) * mean, 1.5))
            * tf.sqrt(0.5 * math.pi * squared_widths)
            / (2.0 * mean)
        )
        unequal = (
            square * tf.exp(_log_average(offsets, squared_widths, scale))
            - other_square * tf.exp(_log_average(offsets, squared_widths, other_scale))
        ) / tf.where(is_equal, tf.ones_like(difference), difference)
        return tf.where(is_equal, equal, unequal)

    def characteristic(self, frequencies: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Gives E exp(i w X)."""
        loc, scale = parameters
        length = 1.0 / (1.0 + tf.square(scale * frequencies))
        phase = frequencies * loc
        return tf.complex(length * tf.cos(phase), length * tf.sin(phase))


def _log_average(offsets: tf.Tensor, squared_widths: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Returns log Q(offsets, scale)."""
    log_peak = tf.math.log(tf.sqrt(0.5 * math.pi * squared_widths) / scale)
    return log_peak + log_matern_average(offsets, squared_widths, scale, 0.5)


register_family(tfd.Laplace, lambda laplace: (Laplace(), (laplace.loc, laplace.scale)))
