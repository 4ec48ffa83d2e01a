"""Matern kernels averaged over a normal distance."""

import functools
import math
from collections.abc import Sequence

import tensorflow as tf
import tensorflow_probability as tfp

# Of t / sqrt(v), where the moments of a normal's tail lose digits by subtraction, and their series
# in 1 / t^2 has gained as many.
_FAR = 30.0
_SERIES = (1.0, -2.0, 10.0, -74.0, 706.0, -8162.0, 110410.0)


def log_matern_average(
    offsets: tf.Tensor, variances: tf.Tensor, width: tf.Tensor, order: float
) -> tf.Tensor:
    """Computes log E k(D), D ~ N(offset, variance), for a Matern kernel in one dimension.

        k(t) = q(a |t|) exp(-a |t|),  a = sqrt(2 order) / width
        q(u) = 1, 1 + u, 1 + u + u^2 / 3  for the orders 1/2, 3/2, 5/2

    Either side of zero gives, with c = (a v -+ offset) / sqrt(v) and P the standard normal's
    distribution function,

        E [exp(-a |D|); side] = exp(a^2 v / 2 -+ a offset) P(-c)
                              = exp(-offset^2 / (2 v)) erfcx(c / sqrt(2)) / 2

    and |D|^p exp(-a |D|) the same times the p-th moment of a normal N(-c, 1) kept above zero, in
    units of sqrt(v). The first form serves for c < 0 and the second for c > 0: nothing overflows,
    and nothing cancels where either side is far out.

    Args:
        offsets: float64, of any shape.
        variances: float64, positive, of a shape that broadcasts.
        width: float64, positive, length_scale.
        order: 0.5, 1.5 or 2.5.

    Returns:
        float64, at most zero.
    """
    slope = math.sqrt(2.0 * order) / width
    deviations = tf.sqrt(variances)
    unit = (slope * deviations)[..., tf.newaxis]
    # The last axis holds the two sides.
    signed = tf.stack([-offsets, offsets], axis=-1)
    depth = unit + signed / deviations[..., tf.newaxis]
    # Both branches are finite, with finite gradients, where the other one is taken.
    scaled = tfp.math.erfcx(tf.maximum(depth, 0.0) / math.sqrt(2.0))
    below = tf.minimum(depth, 0.0)
    mass = tf.math.erfc(below / math.sqrt(2.0))
    sides = tf.where(
        depth > 0.0,
        tf.math.log(scaled) - (0.5 * tf.square(offsets) / variances)[..., tf.newaxis],
        tf.math.log(mass) + 0.5 * tf.square(unit) + slope[..., tf.newaxis] * signed,
    )
    if order != 0.5:
        # The normal density at depth over the mass above it.
        hazard = math.sqrt(2.0 / math.pi) * tf.where(
            depth > 0.0, 1.0 / scaled, tf.exp(-0.5 * tf.square(below)) / mass
        )
        first, second = _tail_moments(depth, hazard)
        terms = unit * first
        if order == 2.5:
            terms += tf.square(unit) * second / 3.0
        sides += tf.math.log1p(terms)
    return tf.reduce_logsumexp(sides, axis=-1) - math.log(2.0)


def _tail_moments(depth: tf.Tensor, hazard: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns E X and E X^2 for X ~ N(-depth, 1) given X > 0."""
    is_far = depth > _FAR
    first = hazard - depth
    second = 1.0 - depth * first
    far = tf.where(is_far, depth, 2.0 * _FAR)
    inverse = 1.0 / tf.square(far)
    # E X = (1 - 2 / t^2 + 10 / t^4 - ...) / t, and E X^2 = 1 - t E X.
    return (
        tf.where(is_far, _polynomial(_SERIES, inverse) / far, first),
        tf.where(is_far, -inverse * _polynomial(_SERIES[1:], inverse), second),
    )


def _polynomial(coefficients: Sequence[float], x: tf.Tensor) -> tf.Tensor:
    """Returns c_0 + c_1 x + c_2 x^2 + ..., by Horner's rule."""
    return functools.reduce(lambda value, c: value * x + c, reversed(coefficients), 0.0 * x)
