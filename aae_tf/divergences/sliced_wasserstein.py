"""The sliced Wasserstein distance between codes and their prior, exact on each slice."""

import math
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.checks import check_dimension
from aae_tf.divergences.divergence import FEW_FEATURES, Divergence, DivergenceTerms
from aae_tf.losses.weights import Weight
from aae_tf.mmd.gaussian_parts import GaussianParts, gaussian_parts
from aae_tf.mmd.pairs import sample_shares
from aae_tf.mmd.registry import constant

# Halvings leave a millionth of an interval of some ten deviations, and each of Newton's steps the
# square of what was left, in units of the narrowest component.
_HALVINGS = 20
_NEWTON_STEPS = 3
# A normal distribution has a mass of 1e-15 beyond so many deviations.
_REACH = 8.0


@keras.saving.register_keras_serializable(package="aae_tf")
class SlicedWasserstein(Divergence):
    """Minimises the mean, over random directions, of the squared 2-Wasserstein distance.

    On a direction v, codes x_1 <= ... <= x_n of the weights a_i meet a prior that is a mixture of
    Gaussians as one in one dimension, with the means v'm_k and the variances v'S_k v. With its
    quantiles q_i at a_1 + ... + a_i,

        W^2 = sum_i a_i x_i^2 - 2 sum_i x_i c_i + E X^2,  c_i = E [X; q_(i-1) < X < q_i]
        c_i = sum_k w_k [m_k (Phi(b) - Phi(a)) + s_k (phi(a) - phi(b))]

    a and b the quantiles in units of the component. No samples of the prior are drawn: the noise is
    that of the batch and of the directions. A prior that is no mixture of Gaussians is sampled, one
    draw for each code. Time is O(n log n) for each direction, so that large batches are cheap.

    The estimate is biased upwards for small batches, as a Wasserstein distance of samples is: codes
    of the prior itself have about 0.1 for 100 codes of N(0, I), and 0.01 for 1,000.

    Args:
        num_slices: directions for each batch, drawn anew each time.
        weight: factor of W^2 in the encoder's loss: a number, zero or more, or a Keras schedule of
            the number of training steps. None takes `default_weight`.
        name: name of the layer.

    Logs:
        `<code>_divergence`: W^2, in the squared unit of the codes.

    Raises:
        ValueError: if `num_slices` is not positive; by `connect`, where labels guide the codes.
        TypeError: if `num_slices` is no integer.

    Example:

    >>> from aae_tf import priors
    >>> divergence = SlicedWasserstein(num_slices=32)
    >>> divergence.connect(priors.ring_mixture(10), seed=0)
    >>> codes = priors.ring_mixture(10).sample(1000, seed=[0, 1])
    >>> bool(divergence.compare(codes, seed=[0, 2]).encoder_loss < 0.1)
    True
    >>> bool(divergence.compare(0.5 * codes, seed=[0, 2]).encoder_loss > 1.0)
    True

    References:
        Kolouri et al. 2019, *Sliced-Wasserstein autoencoder*. Differs: the prior's quantiles are
        exact, and not those of draws.
    """

    def __init__(
        self,
        num_slices: int = 64,
        weight: Weight | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(weight=weight, name=name, **kwargs)
        self.num_slices = check_dimension("num_slices", num_slices)

    def default_weight(self, num_features: int) -> float:
        """Gives 10 for up to 1,000 features, and for more a hundredth of their number."""
        return 10.0 * max(1.0, num_features / FEW_FEATURES)

    def prepare(self, prior: tfp.distributions.Distribution, seed: int) -> None:
        """Reads the Gaussians of the prior, if it is a mixture of them."""
        if self.num_classes is not None:
            raise ValueError(
                "Expected `divergence` to compare within classes where labels guide the codes: "
                "`divergences.Adversarial` or `MMD`. Received: SlicedWasserstein, "
                f"num_classes={self.num_classes}."
            )
        with tf.init_scope():
            self._parts = gaussian_parts(prior)

    def compare(
        self,
        codes: tf.Tensor,
        seed: tf.Tensor,
        sample_weight: tf.Tensor | None = None,
        training: bool = False,
        labels: tf.Tensor | None = None,
        real: tf.Tensor | None = None,
    ) -> DivergenceTerms:
        """Estimates W^2; `seed` fixes the directions, and the samples of a prior that has any."""
        of_slices, of_samples = tf.unstack(tf.random.split(seed, 2))
        normals = tf.random.stateless_normal(
            [self.num_slices, codes.shape[1]], of_slices, dtype=codes.dtype
        )
        slices = tf.linalg.l2_normalize(normals, axis=1)
        rows = codes if real is None else real
        shares = sample_shares("sample_weight", sample_weight, rows)
        if real is None and self._parts is not None:
            value = _distance_to_mixture(slices, codes, shares, self._parts)
        else:
            others = self.sample_prior(codes, of_samples) if real is None else codes
            even = sample_shares("weights", None, others)
            value = _distance_of_samples(slices, rows, shares, others, even)
        return DivergenceTerms(tf.where(tf.reduce_sum(shares) > 0.0, value, 0.0))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_slices": self.num_slices}


def _distance_to_mixture(
    slices: tf.Tensor, codes: tf.Tensor, shares: tf.Tensor, parts: GaussianParts
) -> tf.Tensor:
    """Averages over slices the exact squared distance of weighted codes to a mixture."""
    weights, locs, covariances = (constant(part, tf.float64) for part in parts)
    slices64 = tf.cast(slices, tf.float64)
    # [slices, components].
    means = tf.matmul(slices64, locs, transpose_b=True)
    variances = tf.einsum("sd,kde,se->sk", slices64, covariances, slices64)
    scales = tf.sqrt(tf.maximum(variances, 1e-30))
    points, levels = _sort(slices, codes, shares)
    # The gradient reaches the codes by their places alone: the quantiles are the prior's.
    quantiles = tf.stop_gradient(_quantiles(weights, means, scales, levels[:, :-1]))
    units = (quantiles[..., tf.newaxis] - means[:, tf.newaxis]) / scales[:, tf.newaxis]
    below = weights * (
        means[:, tf.newaxis] * _mass(units) - scales[:, tf.newaxis] * _density(units)
    )
    partial = tf.reduce_sum(below, axis=-1)
    mean = tf.reduce_sum(weights * means, axis=-1, keepdims=True)
    of_each = tf.concat([partial, mean], axis=1) - tf.concat([tf.zeros_like(mean), partial], axis=1)
    second = tf.reduce_sum(weights * (tf.square(means) + variances), axis=-1)
    points64 = tf.cast(points, tf.float64)
    masses = levels - tf.concat([tf.zeros_like(mean), levels[:, :-1]], axis=1)
    distance = tf.reduce_sum(masses * tf.square(points64) - 2.0 * points64 * of_each, axis=1)
    return tf.cast(tf.reduce_mean(distance + second), codes.dtype)


def _sort(slices: tf.Tensor, points: tf.Tensor, shares: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Projects points on slices, and sorts them.

    Returns:
        The projections [slices, n] in rising order, and the sums of the shares up to each, float64
        [slices, n].
    """
    projections = tf.matmul(slices, points, transpose_b=True)
    order = tf.argsort(projections, axis=1, stable=True)
    sums = tf.cumsum(tf.gather(tf.cast(shares, tf.float64), order), axis=1)
    return tf.gather(projections, order, batch_dims=1), sums


def _quantiles(
    weights: tf.Tensor, means: tf.Tensor, scales: tf.Tensor, levels: tf.Tensor
) -> tf.Tensor:
    """Inverts the distribution functions of mixtures of normals: bisection, then Newton's method.

    Between components that are far apart a quantile is known to the width of the last interval
    alone, which has next to no mass.

    Args:
        weights: float64 [k].
        means: float64 [slices, k].
        scales: float64 [slices, k].
        levels: float64 [slices, n], in [0, 1].

    Returns:
        float64 [slices, n].
    """
    low = tf.reduce_min(means - _REACH * scales, axis=1, keepdims=True) + tf.zeros_like(levels)
    high = tf.reduce_max(means + _REACH * scales, axis=1, keepdims=True) + tf.zeros_like(levels)

    def units(points: tf.Tensor) -> tf.Tensor:
        return (points[..., tf.newaxis] - means[:, tf.newaxis]) / scales[:, tf.newaxis]

    def halve(low: tf.Tensor, high: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        middle = 0.5 * (low + high)
        is_below = tf.linalg.matvec(_mass(units(middle)), weights) < levels
        return tf.where(is_below, middle, low), tf.where(is_below, high, middle)

    low, high = tf.while_loop(
        lambda low, high: True, halve, (low, high), maximum_iterations=_HALVINGS
    )
    quantiles, heights = 0.5 * (low + high), weights / scales[:, tf.newaxis]
    for _ in range(_NEWTON_STEPS):
        at = units(quantiles)
        excess = tf.linalg.matvec(_mass(at), weights) - levels
        density = tf.reduce_sum(heights * _density(at), axis=-1)
        step = tf.math.divide_no_nan(excess, density)
        quantiles = tf.clip_by_value(quantiles - step, low, high)
    return quantiles


def _distance_of_samples(
    slices: tf.Tensor, x: tf.Tensor, x_shares: tf.Tensor, y: tf.Tensor, y_shares: tf.Tensor
) -> tf.Tensor:
    """Averages over slices the integral of the squared difference of two quantile functions."""
    (first, first_levels), (second, second_levels) = (
        _sort(slices, x, x_shares), _sort(slices, y, y_shares)
    )  # fmt: skip
    # Between two neighbouring levels of either side, both quantile functions are constant.
    levels = tf.sort(tf.concat([first_levels, second_levels], axis=1), axis=1)
    widths = levels - tf.concat([tf.zeros_like(levels[:, :1]), levels[:, :-1]], axis=1)
    middles = levels - 0.5 * widths

    def values(points: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        rows = tf.minimum(tf.searchsorted(steps, middles), tf.shape(points)[1] - 1)
        return tf.gather(points, rows, batch_dims=1)

    squares = tf.math.squared_difference(values(first, first_levels), values(second, second_levels))
    return tf.reduce_mean(tf.reduce_sum(tf.cast(widths, x.dtype) * squares, axis=1))


def _mass(units: tf.Tensor) -> tf.Tensor:
    return 0.5 * tf.math.erfc(-units / math.sqrt(2.0))


def _density(units: tf.Tensor) -> tf.Tensor:
    return tf.exp(-0.5 * tf.square(units)) / math.sqrt(2.0 * math.pi)
