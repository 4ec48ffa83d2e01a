"""Laws on the unit sphere, uniform and von Mises-Fisher, under Gaussian kernels."""

import functools
import math
from typing import Any

import numpy as np
import scipy.special
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.arguments import GaussianKernel
from aae_tf.mmd.gaussian_kernels import heights_and_widths
from aae_tf.mmd.registry import MeanEmbedding, RegisterMeanEmbedding, constant

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels

# From here on Debye's expansion serves, and below as many nodes.
_FAR, _NEAR_NODES = 20.0, 64
_MIN_NODES, _MAX_NODES = 64, 4000


class SphereEmbedding(MeanEmbedding):
    """Mean embedding on the unit sphere, of density exp(t'x) / H(|t|), under a Gaussian kernel.

    With s = length_scale^2, a = amplitude^2 and H(r) = 0F1(; d/2; r^2 / 4), the average of
    exp(r v_1) over the sphere,

        mu(z)   = a exp(-(|z|^2 + 1) / (2 s)) H(|t + z / s|) / H(|t|)
        norm_kl = a exp(-1 / s) E exp(X'Y / s)

    t = 0 is the uniform law, whose norm is a exp(-1 / s) H(1 / s). Other norms are averages over
    the cosine of the angle between Y and t_k, by Gauss-Gegenbauer nodes whose number follows the
    concentrations and 1 / s. Points need not be on the sphere.

    Args:
        tilts: float64 batch_shape + [d], t = concentration * mean direction.
        kernel: Gaussian kernel, possibly a batch, of constants.
    """

    def __init__(self, tilts: np.ndarray, kernel: GaussianKernel) -> None:
        log_heights, squared_widths = heights_and_widths(kernel)
        known = tf.get_static_value(squared_widths)
        if known is None:
            raise NotImplementedError(
                "Expected the widths of `kernel` to be constants for a law on the sphere. "
                f"Received: kernel={kernel!r}."
            )
        self._dimension = tilts.shape[-1]
        self._batch_shape = [*kernel.batch_shape, *tilts.shape[:-1]]
        self._log_heights = tf.reshape(log_heights, [-1, 1])
        self._precisions = tf.reshape(1.0 / squared_widths, [-1])
        self._tilts = tilts.reshape(-1, self._dimension)
        self._log_masses = _log_average(np.linalg.norm(self._tilts, axis=1), self._dimension)
        averages = [_log_norms(self._tilts, 1.0 / s) for s in known.ravel()]
        norm = tf.exp(self._log_heights[..., tf.newaxis] + np.array(averages))
        self._norm = tf.reshape(norm, [*self._batch_shape, *tilts.shape[:-1]])

    def evaluate(self, points: tf.Tensor) -> tf.Tensor:
        """Returns mu at `points`."""
        # Axes: points, widths, members of the batch.
        points64 = tf.cast(points, tf.float64)[:, tf.newaxis, tf.newaxis]
        precisions = constant(self._precisions, tf.float64)[:, tf.newaxis]
        tilted = points64 * precisions[..., tf.newaxis] + tf.constant(self._tilts)
        squares = tf.reduce_sum(tf.square(tilted), axis=-1)
        lengths = tf.reduce_sum(tf.square(points64), axis=-1)
        log_values = constant(self._log_heights, tf.float64) - 0.5 * precisions * (lengths + 1.0)
        log_values += _log_average_of_square(squares, self._dimension) - self._log_masses
        values = tf.cast(tf.exp(log_values), points.dtype)
        return tf.reshape(values, [tf.shape(points)[0], *self._batch_shape])

    def norm(self) -> tf.Tensor:
        """Returns E k(X, Y)."""
        return self._norm


def _log_average(r: np.ndarray, dimension: int) -> np.ndarray:
    """Gives log H(r) of known values."""
    with tf.init_scope():
        return _log_average_of_square(tf.constant(np.square(r), tf.float64), dimension).numpy()


def _log_average_of_square(square: tf.Tensor, dimension: int) -> tf.Tensor:
    """Gives log H(r) of r^2, float64, with a finite gradient.

    With v = d/2 - 1 and R = (v^2 + r^2)^(1/2), Debye's expansion of H(r), a Bessel function I_v,

        Gamma(v + 1) 2^v e^R (v + R)^(-v) (2 pi R)^(-1/2) (1 + sum_k V_k(v^2 / R^2) / R^k)

    is exact to 1e-10 for R > 20 with eight terms. Below, where r < 20, the average of exp(r c)
    over the cosine c by 64 nodes is exact to rounding.
    """
    order = 0.5 * dimension - 1.0
    radius = tf.sqrt(order**2 + tf.maximum(square, _FAR**2 - order**2))
    ratio = order**2 / tf.square(radius)
    # Horner's rule, in 1 / R and within each coefficient in the ratio.
    sums = tf.zeros_like(radius)
    for coefficients in reversed(_debye()):
        values = functools.reduce(lambda value, c: value * ratio + c, reversed(coefficients), 0.0)
        sums = (sums + values) / radius
    far = radius - order * tf.math.log(order + radius) - 0.5 * tf.math.log(2.0 * math.pi * radius)
    far += tf.math.log1p(sums) + math.lgamma(order + 1.0) + order * math.log(2.0)
    if order >= _FAR:
        return far
    # The square root has no finite gradient at zero; H is even, so that the nodes come in pairs.
    near = tf.minimum(square, _FAR**2)
    is_zero = near < 1e-16
    r = tf.where(is_zero, tf.zeros_like(near), tf.sqrt(tf.where(is_zero, tf.ones_like(near), near)))
    cosines, log_weights = _cosines(dimension, _NEAR_NODES)
    averages = tf.reduce_logsumexp(r[..., tf.newaxis] * cosines + log_weights, axis=-1)
    return tf.where(order**2 + square > _FAR**2, far, averages)


@functools.cache
def _debye() -> list[tuple[float, ...]]:
    """Gives the coefficients of V_k(q) of Debye's expansion, k from 1 to 8.

    They are those of U_k(p) = p^k V_k(p^2), Abramowitz and Stegun 1964, 9.3.10.
    """
    polynomial = np.polynomial.Polynomial
    square, term, found = polynomial([0, 0, 1]), polynomial([1]), []
    for k in range(1, 9):
        term = 0.5 * square * (1 - square) * term.deriv() + ((1 - 5 * square) * term).integ() / 8
        found.append(tuple(map(float, term.coef[k::2])))
    return found


def _cosines(dimension: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Gives nodes and log weights of the cosine of a uniform direction with a fixed one."""
    if dimension == 1:
        return np.array([-1.0, 1.0]), np.log([0.5, 0.5])
    if dimension == 2:
        cosines, weights = scipy.special.roots_chebyt(count)
    else:
        cosines, weights = scipy.special.roots_gegenbauer(count, 0.5 * dimension - 1.0)
    return cosines, np.log(weights / weights.sum())


def _log_norms(tilts: np.ndarray, precision: float) -> np.ndarray:
    """Gives log E exp((X'Y - 1) / s) for all pairs of laws, [B, B], by quadrature over an angle.

    X of tilt t_k averages to H(|t_k + Y / s|) / H(|t_k|), which depends on the cosine c of Y with
    t_k alone; given c, Y is uniform on a sphere of one dimension less.
    """
    dimension = tilts.shape[1]
    lengths = np.linalg.norm(tilts, axis=1)
    masses = _log_average(lengths, dimension)
    if not lengths.any():
        value = _log_average(np.array(precision), dimension) - precision
        return np.full([len(tilts), len(tilts)], value)
    # The integrand is about exp((sum of these) c).
    growth = precision + 2.0 * lengths.max()
    count = int(min(_MIN_NODES + growth, _MAX_NODES))
    cosines, log_weights = _cosines(dimension, count)
    first = np.maximum(lengths, 1e-300)[:, np.newaxis]
    along = tilts @ (tilts / first).T
    across = np.sqrt(np.maximum(lengths[:, np.newaxis] ** 2 - along**2, 0.0))
    sines = np.sqrt(1.0 - cosines**2)
    sums = np.sqrt(np.maximum(first**2 + precision**2 + 2.0 * precision * first * cosines, 0.0))
    # Axes: the law of X, the law of Y, nodes.
    terms = _log_average(sums, dimension)[:, np.newaxis] + along.T[..., np.newaxis] * cosines
    terms = terms + _log_average(across.T[..., np.newaxis] * sines, dimension - 1) + log_weights
    values = scipy.special.logsumexp(terms, axis=-1)
    return values - precision - masses[:, np.newaxis] - masses


@RegisterMeanEmbedding(tfd.VonMisesFisher, psd_kernels.ExponentiatedQuadratic)
def _von_mises_fisher(distribution: Any, kernel: GaussianKernel) -> SphereEmbedding:
    shape = [*distribution.batch_shape, *distribution.event_shape]
    known = [
        tf.get_static_value(value)
        for value in (distribution.mean_direction, distribution.concentration)
    ]
    if known[0] is None or known[1] is None:
        raise NotImplementedError(
            "Expected the parameters of `distribution` to be constants. "
            f"Received: distribution={distribution!r}."
        )
    direction, concentration = (np.asarray(value, np.float64) for value in known)
    tilts = direction * concentration[..., np.newaxis]
    return SphereEmbedding(np.broadcast_to(tilts, shape), kernel)


@RegisterMeanEmbedding(tfd.SphericalUniform, psd_kernels.ExponentiatedQuadratic)
def _uniform(distribution: Any, kernel: GaussianKernel) -> SphereEmbedding:
    return SphereEmbedding(np.zeros([*distribution.batch_shape, *distribution.event_shape]), kernel)
