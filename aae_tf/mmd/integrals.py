"""Integrals in one dimension: kernels as sums of Gaussian ones, Matern kernels over a normal."""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.special
import tensorflow as tf
import tensorflow_probability as tfp

# The nodes span the distribution except this mass at each end. The outermost nodes carry that mass,
# so the error is the mass times the change of the integrand beyond them.
_TAIL_MASS = 1e-8
# Error of the rule on the whole line, relative to the integrand's bound.
_ACCURACY = 1e-9
# For smaller shapes the smallest nodes underflow in float64, for larger ones the weights lose
# digits.
_MIN_SHAPE, _MAX_SHAPE = 0.05, 1e6


def gamma_quadrature(shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Computes nodes g_i and weights w_i: sum_i w_i F(g_i) is close to E F(G), G ~ Gamma(a, a).

    G has shape a and mean 1. Rational quadratic and Matern kernels are averages of Gaussian kernels
    over such a G, and Student's distributions are averages of Gaussians. In u = log g the integrand
    is

        exp(a u - a e^u) F(e^u) a^a / Gamma(a)

    which is analytic in the strip |Im u| < pi/2. There F(e^u) is bounded by F(Re e^u) if F is the
    Laplace transform of a measure, and by sup F for mixtures of widths, which depend on 1 / g. The
    error of the trapezoidal rule of step h on the whole line is therefore at most

        2 cos(y)^(-a) / (exp(2 pi y / h) - 1)   for every y in (0, pi/2)

    times E F(G) in the first case, and times sup F in the second, for any distribution, dimension
    and point at which the kernel is evaluated. The step is the largest one for which this factor is
    1e-9 for some y. The nodes leave out a mass of 1e-8 at each end, which the last node carries:
    the error is that mass times the change of F beyond the node. With both errors, sum_i w_i F(g_i)
    of a rational quadratic or a Matern kernel is off by less than 5e-9 at any distance, computed
    for shapes from 0.05 to 1e6.

    Args:
        shape: positive array of any shape, a.

    Returns:
        Nodes and weights that sum to one, float64, each of shape shape.shape + [m]. The smallest
        shape determines m: 14 for a = 100, 31 for a = 5/2, 56 for a = 1, 97 for a = 1/2.

    Raises:
        ValueError: if a shape is not from 0.05 to 1e6.

    References:
        Trefethen and Weideman 2014, *The exponentially convergent trapezoidal rule*, theorem 5.1.
        Gauss-Laguerre rules, the usual choice, have no such bound: their error grows with the ratio
        of the distribution's width to the kernel's.
    """
    shape = np.asarray(shape, np.float64)
    if not ((shape >= _MIN_SHAPE) & (shape <= _MAX_SHAPE)).all():
        raise ValueError(
            "Expected the shape of a gamma distribution to be from "
            f"{_MIN_SHAPE} to {_MAX_SHAPE:.0e}: the "
            "scale_mixture_rate or df of a kernel, half the df of a distribution. "
            f"Received: shape={shape}."
        )
    a = shape[..., np.newaxis]
    low = np.log(scipy.special.gammaincinv(a, _TAIL_MASS) / a)
    high = np.log(scipy.special.gammainccinv(a, _TAIL_MASS) / a)
    # The shape with the most nodes determines the number for all, so that no step is too long.
    count = int(np.ceil((high - low) / _longest_step(a)).max(initial=1.0)) + 1
    step = (high - low) / (count - 1)
    log_nodes = low + step * np.arange(count)
    nodes = np.exp(log_nodes)
    weights = step * np.exp(a * (log_nodes - nodes + np.log(a)) - scipy.special.gammaln(a))
    # A node carries the mass within half a step of it; an outermost node also the mass beyond.
    weights[..., :1] += scipy.special.gammainc(a, a * np.exp(low - 0.5 * step))
    weights[..., -1:] += scipy.special.gammaincc(a, a * np.exp(high + 0.5 * step))
    return nodes, weights / weights.sum(axis=-1, keepdims=True)


def _longest_step(shape: np.ndarray) -> np.ndarray:
    # The y of the longest step is about sqrt(43 / a) for large a, and close to pi/2 for small a.
    y = np.geomspace(1e-3, 0.5 * np.pi - 0.01, 400)
    log_bound = np.log(2.0 / _ACCURACY) - shape * np.log(np.cos(y))
    return (2.0 * np.pi * y / log_bound).max(axis=-1, keepdims=True)


# The nodes of `expand_energy` span distances from 1e-5 to 3e4 times the unit.
_LOG_NODES = (math.log(1e-9), math.log(1e10))
# Error of the trapezoidal rule on the whole line, relative to the distance.
_ENERGY_ACCURACY = 3e-7


class EnergyExpansion(NamedTuple):
    """|r|^b = constant + curvature r^2 + sum_i weights[i] (1 - exp(-precisions[i] r^2 / 2)).

    Attributes:
        precisions: float64 [m], for distances in units of a scale.
        weights: float64 [m], positive.
        curvature: what the nodes below the lowest would add.
        constant: what the nodes above the highest would add.
    """

    precisions: np.ndarray
    weights: np.ndarray
    curvature: float
    constant: float


def expand_energy(exponent: float) -> EnergyExpansion:
    """Expands |r|^b in Gaussian kernels, with a bound on the error.

        |r|^b = (b/2) / Gamma(1 - b/2) int_0^inf (1 - exp(-u r^2)) u^(-1 - b/2) du

    In log u this is an integral over the whole line of an analytic function. The trapezoidal rule
    of step h multiplies it by 1 + e(log r), where e has the period h / 2 and, as the integral of
    u^(i w) times the integrand is Gamma(-b/2 + i w) up to a factor,

        |e| <= 2 sum_k |Gamma(-b/2 + 2 pi i k / h) / Gamma(-b/2)|,  k = 1, 2, ...

    The step is the largest one for which this bound is 3e-7, in any dimension and at any distance.
    The nodes that are left out are summed in closed form: above the highest, exp(-u r^2) is zero
    but for r below 3e-5, and below the lowest, 1 - exp(-u r^2) is u r^2 up to (u r^2)^2 / 2. The
    latter makes an error of 2e-6 for b = 1 at r = 1000, of 1e-5 for larger b, and of up to 3e-3 at
    r = 10,000. For b > 1 the largest weight, 2e6 for b = 1.6, magnifies the rounding of the
    Gaussian kernels' own means.

    Args:
        exponent: b, from 0.1 to 1.9.

    Returns:
        The expansion, with 60 nodes for b = 1.
    """
    half = 0.5 * exponent
    low, high = _LOG_NODES
    count = math.ceil((high - low) / _longest_energy_step(half)) + 1
    step = (high - low) / (count - 1)
    nodes = np.exp(low + step * np.arange(count))
    factor = step * half / scipy.special.gamma(1.0 - half)
    return EnergyExpansion(
        precisions=2.0 * nodes,
        weights=factor * nodes**-half,
        # Geometric series.
        curvature=factor * nodes[0] ** (1.0 - half) / math.expm1(step * (1.0 - half)),
        constant=factor * nodes[-1] ** -half / math.expm1(step * half),
    )


def _longest_energy_step(half: float) -> float:
    steps = np.linspace(0.3, 1.2, 181)
    harmonics = 2j * np.pi * np.arange(1, 4) / steps[:, np.newaxis]
    sizes = np.exp(scipy.special.loggamma(-half + harmonics).real)
    bounds = 2.0 * sizes.sum(axis=1) / abs(scipy.special.gamma(-half))
    return float(steps[bounds <= _ENERGY_ACCURACY].max())


def beta_quadrature(dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Computes nodes b_i and weights w_i: sum_i w_i F(b_i) is close to E F(B), B a squared cosine.

    B ~ Beta(1/2, (d - 1)/2) is the squared cosine of the angle between a fixed direction and one
    that is uniform on the sphere in d dimensions. In v = log(b / (1 - b)) the integrand is analytic
    in the strip |Im v| < pi/2, where the real part of b is positive. For an F bounded by 1 there,
    such as exp(-b x) for x > 0, the error of the trapezoidal rule of step h is at most

        2 cos(y / 2)^(-d/2) / (exp(2 pi y / h) - 1)   for every y in (0, pi/2)

    The step is the largest one for which this is 1e-7 for some y; the nodes leave out a mass of
    1e-8 at each end, which the last node carries. Gauss-Jacobi rules have no such bound: for large
    x, 64 nodes are off by 3e-3 in two dimensions and by 3e-2 in 64.

    Args:
        dimension: d, at least two.

    Returns:
        Nodes and weights that sum to one, float64 [m]: 126 in two dimensions, 81 in 8, 115 in 64.
    """
    first, second = 0.5, 0.5 * (dimension - 1)
    low = scipy.special.logit(scipy.special.betaincinv(first, second, _TAIL_MASS))
    high = -scipy.special.logit(scipy.special.betaincinv(second, first, _TAIL_MASS))
    y = np.linspace(0.01, 0.5 * np.pi, 400)
    log_bound = np.log(2.0 / 1e-7) - 0.5 * dimension * np.log(np.cos(0.5 * y))
    count = int(np.ceil((high - low) / (2.0 * np.pi * y / log_bound).max())) + 1
    step = (high - low) / (count - 1)
    points = low + step * np.arange(count)
    log_weights = first * scipy.special.log_expit(points)
    log_weights += second * scipy.special.log_expit(-points) - scipy.special.betaln(first, second)
    weights = step * np.exp(log_weights)
    weights[0] += scipy.special.betainc(first, second, scipy.special.expit(low - 0.5 * step))
    weights[-1] += scipy.special.betainc(second, first, scipy.special.expit(-high - 0.5 * step))
    return scipy.special.expit(points), weights / weights.sum()


# Depth from which the moments of a normal's tail come from their series in 1 / t^2: the exact form
# loses digits by subtraction there.
_SERIES_DEPTH = 30.0
_SERIES = (1.0, -2.0, 10.0, -74.0, 706.0, -8162.0, 110410.0)


def log_matern_average(
    offsets: tf.Tensor, variances: tf.Tensor, width: tf.Tensor, order: float
) -> tf.Tensor:
    """Computes log E k(D), D ~ N(offset, variance), for a Matern kernel in one dimension.

        k(t) = q(a |t|) exp(-a |t|),  a = sqrt(2 order) / width
        q(u) = 1, 1 + u, 1 + u + u^2 / 3  for the orders 1/2, 3/2, 5/2

    Each side of zero contributes, with c = (a v -+ offset) / sqrt(v) and P the standard normal's
    distribution function,

        E [exp(-a |D|); side] = exp(a^2 v / 2 -+ a offset) P(-c)
                              = exp(-offset^2 / (2 v)) erfcx(c / sqrt(2)) / 2

    and the average of |D|^p exp(-a |D|) is this times the p-th moment, in units of sqrt(v), of
    N(-c, 1) truncated to positive values. The first form is used for c < 0 and the second for
    c > 0: then nothing overflows, and nothing cancels for a large |c|.

    Args:
        offsets: float64, of any shape.
        variances: float64, positive, of a shape that broadcasts.
        width: float64, positive, length_scale.
        order: 0.5, 1.5 or 2.5.

    Returns:
        float64, zero or less.
    """
    slope = math.sqrt(2.0 * order) / width
    deviations = tf.sqrt(variances)
    unit = (slope * deviations)[..., tf.newaxis]
    # The last axis has one entry for each side of zero.
    signed = tf.stack([-offsets, offsets], axis=-1)
    depth = unit + signed / deviations[..., tf.newaxis]
    # Each branch is finite, and so is its gradient, where `tf.where` takes the other one.
    scaled = tfp.math.erfcx(tf.maximum(depth, 0.0) / math.sqrt(2.0))
    below = tf.minimum(depth, 0.0)
    mass = tf.math.erfc(below / math.sqrt(2.0))
    sides = tf.where(
        depth > 0.0,
        tf.math.log(scaled) - (0.5 * tf.square(offsets) / variances)[..., tf.newaxis],
        tf.math.log(mass) + 0.5 * tf.square(unit) + slope[..., tf.newaxis] * signed,
    )
    if order != 0.5:
        # The normal density at `depth` divided by the mass above it.
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
    is_far = depth > _SERIES_DEPTH
    first = hazard - depth
    second = 1.0 - depth * first
    far = tf.where(is_far, depth, 2.0 * _SERIES_DEPTH)
    inverse = 1.0 / tf.square(far)
    # E X = (1 - 2 / t^2 + 10 / t^4 - ...) / t, and E X^2 = 1 - t E X.
    return (
        tf.where(is_far, _polynomial(_SERIES, inverse) / far, first),
        tf.where(is_far, -inverse * _polynomial(_SERIES[1:], inverse), second),
    )


def _polynomial(coefficients: Sequence[float], x: tf.Tensor) -> tf.Tensor:
    """Returns c_0 + c_1 x + c_2 x^2 + ..., by Horner's rule."""
    return functools.reduce(lambda value, c: value * x + c, reversed(coefficients), 0.0 * x)
