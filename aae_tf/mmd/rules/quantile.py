"""Independent coordinates of any law on the line that has a quantile function."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.arguments import Distribution
from aae_tf.mmd.rules.coordinates import Family, register_family

tfd = tfp.distributions

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)
# Log odds between which all but a mass of 4e-9 lies.
_END = 20.0
# Nodes and weights on the whole range that are dense in its middle: t = 20 sinh(3 u) / sinh(3).
_CENTRED_NODES = _END * np.sinh(3.0 * _NODES) / np.sinh(3.0)
_CENTRED_WEIGHTS = 3.0 * _END * np.cosh(3.0 * _NODES) / np.sinh(3.0) * _WEIGHTS
# Standard deviations of a Gaussian kernel beyond which it counts as zero; it is 4.5e-9 there.
_REACH = 6.2


class QuantileLaw(Family):
    """X = Q(1 / (1 + exp(-T))), Q the quantile function and T a standard logistic variable.

        E exp(-(z - X)^2 / (2 s)) = int exp(-(z - Q(t))^2 / (2 s)) p(t) dt
        E exp(-(X - Y)^2 / (2 s)) = int mu_Y(Q(t)) p(t) dt,   Q that of the narrower law

    Each integral is taken by the Gauss-Legendre rule of 96 nodes: the first over the part of
    [-20, 20] where X is within 6.2 sqrt(s) of z, which the distribution function gives; the second
    over all of it, in u of t = 20 sinh(3 u) / sinh(3), since mu_Y varies most in the middle. Left
    out are a mass of 4e-9 and the tail of the kernel, so that the first integral is off by less
    than 1e-8 and the second by less than 1e-7 if the rule is exact. That it is, to this accuracy,
    was computed for the laws that are registered, with Weibull's shape from 0.5 and log-normal
    scales up to 2, at widths from 1e-4 to 1e3 times the law's. The errors are absolute, where the
    kernel is 1 at zero; the weights of the whole range are made to sum to one.

    Two limits are not within these bounds. `Energy` grows with the distance and misses what a heavy
    tail has beyond a mass of 2e-9: 5e-5 of the mean of a log-normal law of scale 2. A
    `TruncatedNormal` whose `low` is more than 5 scales above its `loc` loses digits in the quantile
    function of TensorFlow Probability; use its mirror image, whose `high` is as far below.

    Gradients pass through Q to the parameters, and not through the ends of the integrals. The
    characteristic function is left out: 96 nodes do not follow its oscillations.

    Args:
        law: makes the distribution of its parameters.
        low: the least value of all these laws; minus infinity on the whole line.
    """

    def __init__(self, law: Callable[..., Distribution], low: float) -> None:
        self._law, self._low = law, low

    def log_embedding(
        self, points: tf.Tensor, squared_widths: tf.Tensor, *parameters: tf.Tensor
    ) -> tf.Tensor:
        """Gives log E exp(-(z - X)^2 / (2 s))."""
        law = self._law(*parameters)
        reach = _REACH * tf.sqrt(squared_widths)
        # Where z is farther from all values than the kernel reaches, the nearest tail is left.
        lower = tf.minimum(self._log_odds(law, points - reach), _END - 1.0)
        upper = tf.maximum(self._log_odds(law, points + reach), 1.0 - _END)
        log_weights, values = self._nodes(lower, upper, *parameters)
        offsets = points[..., tf.newaxis] - values
        exponents = -0.5 * tf.square(offsets) / squared_widths[..., tf.newaxis]
        return tf.reduce_logsumexp(log_weights + exponents, axis=-1)

    def norm(
        self,
        squared_widths: tf.Tensor,
        first: Sequence[tf.Tensor],
        second: Sequence[tf.Tensor],
    ) -> tf.Tensor:
        """Gives E exp(-(X - Y)^2 / (2 s))."""
        # The embedding of the wider law is the smoother function.
        is_narrower = self._spread(first) <= self._spread(second)
        pairs = list(zip(first, second, strict=True))
        narrow = [tf.where(is_narrower, a, b) for a, b in pairs]
        wide = [tf.where(is_narrower, b, a)[..., tf.newaxis] for a, b in pairs]
        log_weights = tf.math.log(_CENTRED_WEIGHTS) + _log_density(_CENTRED_NODES)
        log_weights -= tf.reduce_logsumexp(log_weights)
        values = self._quantile(tf.constant(_CENTRED_NODES), *narrow)

        # One width at a time: the nodes of both laws make arrays of 9,216 entries for each pair.
        def norm_of(squared_width: tf.Tensor) -> tf.Tensor:
            terms = self.log_embedding(values, squared_width, *wide)
            return tf.reduce_sum(tf.exp(log_weights + terms), axis=-1)

        return tf.map_fn(norm_of, squared_widths[..., tf.newaxis])

    def characteristic(self, frequencies: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Raises an error."""
        raise NotImplementedError(
            "Expected a distribution with a characteristic function for `FourierFeatures`. "
            f"Received: {self._law(*parameters).name}."
        )

    def _log_odds(self, law: Any, points: tf.Tensor) -> tf.Tensor:
        """Returns log P(X < z) - log P(X > z) between the ends, without gradient."""
        mass = law.cdf(tf.maximum(points, tf.constant(self._low, tf.float64)))
        odds = tf.math.log(mass) - tf.math.log1p(-mass)
        return tf.stop_gradient(tf.clip_by_value(odds, -_END, _END))

    def _nodes(
        self, lower: tf.Tensor, upper: tf.Tensor, *parameters: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns logarithms of weights, and values of X; nodes are the last axis."""
        half = 0.5 * (upper - lower)[..., tf.newaxis]
        odds = 0.5 * (upper + lower)[..., tf.newaxis] + half * _NODES
        log_weights = tf.math.log(half * _WEIGHTS) + _log_density(odds)
        # A wide kernel is close to 1, where `Energy` sees what weights lack to one.
        total = tf.reduce_logsumexp(log_weights, axis=-1, keepdims=True)
        log_weights -= tf.where(half < _END, tf.zeros_like(total), total)
        return log_weights, self._quantile(odds, *parameters)

    def _quantile(self, odds: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Returns Q of log odds, an axis behind those of the parameters."""
        law: Any = self._law(*(value[..., tf.newaxis] for value in parameters))
        return law.quantile(tf.sigmoid(odds))

    def _spread(self, parameters: Sequence[tf.Tensor]) -> tf.Tensor:
        law: Any = self._law(*parameters)
        quartiles = (law.quantile(tf.constant(share, tf.float64)) for share in (0.75, 0.25))
        return tf.subtract(*quartiles)


def _log_density(odds: tf.Tensor) -> tf.Tensor:
    """Returns the log density of the standard logistic distribution."""
    return tf.math.log_sigmoid(odds) + tf.math.log_sigmoid(-odds)


def _register(law: Any, *names: str, low: float = -np.inf) -> None:
    def family(distribution: Any) -> tuple[QuantileLaw, Sequence[tf.Tensor]]:
        parameters = [tf.convert_to_tensor(getattr(distribution, name)) for name in names]
        return QuantileLaw(law, low), parameters

    register_family(law, family)


_register(tfd.Logistic, "loc", "scale")
_register(tfd.Gumbel, "loc", "scale")
_register(tfd.TruncatedNormal, "loc", "scale", "low", "high")
_register(tfd.LogNormal, "loc", "scale", low=0.0)
_register(tfd.HalfNormal, "scale", low=0.0)
_register(tfd.Exponential, "rate", low=0.0)
_register(tfd.Weibull, "concentration", "scale", low=0.0)
