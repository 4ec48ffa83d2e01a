"""Independent normal coordinates."""

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.gaussian_kernels import heights_and_widths, matern_order
from aae_tf.mmd.integrals import log_matern_average
from aae_tf.mmd.product_kernels import CoordinateProduct
from aae_tf.mmd.registry import MeanEmbedding, constant
from aae_tf.mmd.rules.coordinates import Family, flatten, register_family

tfd = tfp.distributions

_EXACT_ORDERS = (0.5, 1.5, 2.5)


class Normal(Family):
    """N(m, v), with v = 0 for a point.

        E exp(-(z - X)^2 / (2 s)) = (1 + v / s)^(-1/2) exp(-(z - m)^2 / (2 (s + v)))
        E exp(-(X - Y)^2 / (2 s)) = the same at z - m = m_1 - m_2 with v = v_1 + v_2
        E exp(i w X)              = exp(i w m - w^2 v / 2)

    Parameters: m and v.
    """

    def log_embedding(
        self, points: tf.Tensor, squared_widths: tf.Tensor, *parameters: tf.Tensor
    ) -> tf.Tensor:
        """Gives log E exp(-(z - X)^2 / (2 s))."""
        loc, variance = parameters
        return _log_average(points - loc, variance, squared_widths)

    def norm(
        self,
        squared_widths: tf.Tensor,
        first: Sequence[tf.Tensor],
        second: Sequence[tf.Tensor],
    ) -> tf.Tensor:
        """Gives E exp(-(X - Y)^2 / (2 s))."""
        (loc, variance), (other_loc, other_variance) = first, second
        return tf.exp(_log_average(loc - other_loc, variance + other_variance, squared_widths))

    def characteristic(self, frequencies: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Gives E exp(i w X)."""
        loc, variance = parameters
        return tf.exp(tf.complex(-0.5 * variance * tf.square(frequencies), frequencies * loc))


class MaternNormalEmbedding(MeanEmbedding):
    """Mean embedding of independent normals under products of Matern kernels, in closed form.

    With M(t, v) = E k(t + sqrt(v) N), N standard normal, see `log_matern_average`,

        mu(z)   = prod_j M(z_j - m_j, v_j)
        norm_kl = prod_j M(m_kj - m_lj, v_kj + v_lj)

    Args:
        loc: floating point, batch_shape + [d], m.
        variance: of the same shape, positive, v.
        kernel: `CoordinateProduct` of a Matern kernel.
        order: of the Matern kernel: 0.5, 1.5 or 2.5.
    """

    def __init__(
        self, loc: tf.Tensor, variance: tf.Tensor, kernel: CoordinateProduct, order: float
    ) -> None:
        self._order = order
        self._log_height, squared_width = heights_and_widths(kernel.kernel)
        self._width = tf.sqrt(squared_width)
        self._batch_shape = loc.shape[:-1]
        self._loc, self._variance = (flatten(x, self._batch_shape) for x in (loc, variance))
        norm = tf.exp(
            self._log_product(
                self._loc[:, tf.newaxis] - self._loc, self._variance[:, tf.newaxis] + self._variance
            )
        )
        self._norm = tf.reshape(norm, self._batch_shape + self._batch_shape)

    def evaluate(self, points: tf.Tensor) -> tf.Tensor:
        """Returns mu at `points`."""
        offsets = tf.cast(points, tf.float64)[:, tf.newaxis] - constant(self._loc, tf.float64)
        values = tf.exp(self._log_product(offsets, constant(self._variance, tf.float64)))
        return tf.reshape(tf.cast(values, points.dtype), [tf.shape(points)[0], *self._batch_shape])

    def norm(self) -> tf.Tensor:
        """Returns E k(X, Y)."""
        return self._norm

    def _log_product(self, offsets: tf.Tensor, variances: tf.Tensor) -> tf.Tensor:
        width = constant(self._width, tf.float64)
        factors = log_matern_average(offsets, variances, width, self._order)
        return tf.reduce_sum(factors + constant(self._log_height, tf.float64), axis=-1)


def _log_average(offsets: tf.Tensor, variances: tf.Tensor, squared_widths: tf.Tensor) -> tf.Tensor:
    spread = squared_widths + variances
    return -0.5 * (tf.math.log1p(variances / squared_widths) + tf.square(offsets) / spread)


def _matern(
    parameters: Sequence[tf.Tensor], kernel: CoordinateProduct
) -> MaternNormalEmbedding | None:
    order = matern_order(kernel.kernel)
    if order is None or order not in _EXACT_ORDERS:
        return None
    loc, variance = parameters
    return MaternNormalEmbedding(loc, variance, kernel, order)


def _square(values: tf.Tensor) -> tf.Tensor:
    return tf.square(tf.cast(values, tf.float64))


register_family(
    tfd.Normal, lambda normal: (Normal(), (normal.loc, _square(normal.scale))), exact=_matern
)
register_family(tfd.Deterministic, lambda point: (Normal(), (point.loc, tf.zeros_like(point.loc))))
