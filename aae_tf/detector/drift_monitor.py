"""`DriftMonitor`: tells whether a window of codes is further from the prior than codes were."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import special

from aae_tf import data, mmd, priors
from aae_tf.checks import check_integer, check_positive
from aae_tf.mmd.pairs import kernel_matrix
from aae_tf.mmd.registry import constant, embed

# Held-out codes of which all pairs enter the variance: where codes are those of the prior, the
# noise of zeta_1 must be small beside zeta_2 / n. Triples are of the codes of one block.
_NUM_CODES = 8000
_BLOCK = 1000
FEWEST_CODES = 50


class DriftResult(NamedTuple):
    """The result of `DriftMonitor.test`.

    Attributes:
        statistic: unbiased estimate of the squared MMD between codes and prior.
        p_value: in [0, 1], the probability of a statistic at least as large for codes like the
            held-out ones.
        is_drift: whether the p-value is at most the false-alarm rate.

    Example:

    >>> DriftResult(statistic=0.2, p_value=1e-6, is_drift=True).is_drift
    True
    """

    statistic: float
    p_value: float
    is_drift: bool


class DriftMonitor:
    """Tests windows of codes against a prior, from which held-out codes may be at some distance.

    The statistic is the unbiased squared MMD of a window of n codes to the prior,

        U = sum_{i != j} h(z_i, z_j) / (n (n - 1)),  h(x, y) = k(x, y) - mu(x) - mu(y) + c

    with the exact mean embedding mu of the prior and its norm c, which are computed once: no
    reference sample is stored. Codes never fit their prior perfectly. So a window is not asked
    whether it comes from the prior, but whether U is larger than for codes like those that `fit`
    is given. There U has the mean T, their squared MMD, and

        variance        4 (n - 2) / (n (n - 1)) zeta_1 + 2 / (n (n - 1)) zeta_2
        third moment    (8 E g(x)^3 + 24 E g(x) g(y) h'(x, y)) / n^2
                        + 8 E h'(x, y) h'(y, z) h'(z, x) / n^3

    with g(x) = E h(x, Y) - T, h' = h - g - g - T, zeta_1 = Var g, zeta_2 = Var h. These numbers are
    what `fit` measures; the p-value is that of the Pearson type III distribution of the three
    moments, in which the variance also has that of the estimated T. It is for windows of
    independent rows: consecutive rows that resemble each other vary less, and alarm more often.

    Drift that leaves the distance to the prior as it is, or makes it smaller, is not found.

    Args:
        prior: `tfd.Distribution` of the codes with event_shape [code_dim] whose mean embedding is
            known, `mmd.has_mean_embedding`; such as `model.latent_prior`.
        false_alarm_rate: share of windows without drift that are called drift, in (0, 1).
        num_features: None takes all pairs of a window; a positive even integer takes so many random
            Fourier features of the kernel, `mmd.FourierFeatures`, whose cost is linear in n.
        seed: non-negative integer that fixes the features and the choice of codes in `fit`.

    Attributes:
        moments: what `fit` has measured, by name; None before.

    Raises:
        TypeError: if the prior is no distribution, or an argument of a wrong type.
        ValueError: if the prior has no known mean embedding, or an argument is out of its range.

    Example:

    >>> prior = priors.gaussian(2)
    >>> held_out = 1.1 * prior.sample(3000, seed=[0, 1]).numpy()
    >>> monitor = DriftMonitor(prior).fit(held_out)
    >>> window = 1.1 * prior.sample(500, seed=[0, 2]).numpy()
    >>> monitor.test(window).is_drift, monitor.test(window + 0.5).is_drift
    (False, True)

    References:
        Gretton et al. 2012, lemma 6; Serfling 1980, section 5.2.1 (the variance of U).
    """

    def __init__(
        self,
        prior: tfp.distributions.Distribution,
        false_alarm_rate: float = 0.01,
        num_features: int | None = None,
        seed: int = 0,
    ) -> None:
        self.kernel = mmd.default_kernel(prior)
        check_positive("false_alarm_rate", false_alarm_rate)
        if false_alarm_rate >= 1.0:
            raise ValueError(
                "Expected `false_alarm_rate` to lie in (0, 1). "
                f"Received: false_alarm_rate={false_alarm_rate!r}."
            )
        check_integer("seed", seed)
        if num_features is not None:
            dimension = int(prior.event_shape[0])
            self.kernel = mmd.FourierFeatures(self.kernel, dimension, num_features, seed)
        if not mmd.has_mean_embedding(prior, self.kernel):
            raise ValueError(
                "Expected `prior` to have a known mean embedding, see docs/mmd.md. "
                f"Received: prior={prior!r}."
            )
        self.prior = prior
        self.false_alarm_rate = false_alarm_rate
        self.num_features = num_features
        self.seed = seed
        self.moments: dict[str, float] | None = None
        self._statistic = tf.function(
            lambda codes: mmd.squared_mmd(codes, self.prior, self.kernel),
            input_signature=[tf.TensorSpec([None, *prior.event_shape], tf.float32)],
            autograph=False,
        )

    def fit(self, codes: Any) -> DriftMonitor:
        """Measures how far codes without drift are from the prior, and how much that varies.

        Args:
            codes: float [n, code_dim], finite, of independent rows that were not trained on; at
                least 50, and better ten times as many as a window has.

        Returns:
            The monitor.

        Raises:
            ValueError: if the codes are not finite, of another width, or too few.
        """
        rows = self._check(codes)
        rows = rows[np.random.default_rng(self.seed).permutation(len(rows))]
        blocks = [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]
        # The last one may be small, and is then left out.
        blocks = [block for block in blocks if len(block) >= min(_BLOCK, len(rows))]
        mean = float(np.mean([self._statistic(block) for block in blocks]))
        count = sum(map(len, blocks))
        self.moments = {"mean": mean, "count": count, **self._measure(rows[:_NUM_CODES])}
        return self

    def test(self, codes: Any) -> DriftResult:
        """Tests a window of codes.

        Args:
            codes: float [n, code_dim], finite, at least 50.

        Returns:
            `DriftResult`.

        Raises:
            ValueError: if `fit` was not called, or the codes are not finite, of another width, or
                too few.
        """
        if self.moments is None:
            raise ValueError("Expected `fit` to be called before `test`. Received: no `fit` yet.")
        rows = self._check(codes)
        statistic = float(self._statistic(rows))
        p_value = self._p_value(statistic, len(rows))
        return DriftResult(statistic, p_value, p_value <= self.false_alarm_rate)

    def _measure(self, codes: np.ndarray) -> dict[str, float]:
        """Measures the moments of h over pairs and triples of different codes."""
        rows = tf.constant(codes)
        embedding = embed(self.prior, self.kernel)
        mu, norm = embedding.evaluate(rows), constant(embedding.norm(), tf.float32)
        n = len(codes)
        sums, mean_square = np.zeros(n), 0.0
        first = np.zeros([0, 0], np.float32)
        for start in range(0, n, _BLOCK):
            block = slice(start, start + _BLOCK)
            values = kernel_matrix(self.kernel, rows[block], rows) - mu[block, None] - mu + norm
            h = values.numpy()
            h[np.arange(len(h)), start + np.arange(len(h))] = 0.0
            sums[block] = h.sum(axis=1, dtype=np.float64)
            mean_square += np.square(h).sum(dtype=np.float64) / (n * (n - 1))
            first = first if len(first) else h[:, : len(h)]
        mean = sums.sum() / (n * (n - 1))
        # Over triples: the square of a sum, without the pairs of a code with itself.
        covariance = (np.square(sums).mean() / (n - 1) - mean_square) / (n - 2)
        zeta_1 = max(covariance - mean**2, 0.0)
        return {
            "zeta_1": zeta_1,
            "zeta_2": max(mean_square - mean**2, np.finfo(np.float32).tiny),
            **_third_moments(first, sums / (n - 1) - mean, mean, bool(zeta_1)),
        }

    def _p_value(self, statistic: float, n: int) -> float:
        m = self.moments or {}
        variance = 4 * (n - 2) / (n * (n - 1)) * m["zeta_1"] + 2 / (n * (n - 1)) * m["zeta_2"]
        third = m["third_of_rows"] / n**2 + m["third_of_pairs"] / n**3
        size = min(m["count"], _BLOCK)
        variance += (4 * m["zeta_1"] + 2 * m["zeta_2"] / size) / m["count"]
        deviation = math.sqrt(variance)
        skew = third / deviation**3
        return _pearson_tail((statistic - m["mean"]) / deviation, skew)

    def _check(self, codes: Any) -> np.ndarray:
        rows = data.check_array(codes, "codes", [int(self.prior.event_shape[0])])
        if len(rows) < FEWEST_CODES:
            raise ValueError(
                f"Expected `codes` to have at least {FEWEST_CODES} rows. Received: {len(rows)}."
            )
        return rows

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments and what `fit` has measured, in JSON types."""
        return {
            "prior": priors.serialize(self.prior),
            "false_alarm_rate": self.false_alarm_rate,
            "num_features": self.num_features,
            "seed": self.seed,
            "moments": self.moments,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        # Neither distributions nor graphs can be pickled.
        return type(self).from_config, (self.get_config(),)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DriftMonitor:
        """Makes the monitor from what `get_config` returned."""
        arguments = {name: value for name, value in config.items() if name != "moments"}
        monitor = cls(**{**arguments, "prior": priors.deserialize(config["prior"])})
        monitor.moments = config["moments"]
        return monitor


def _pearson_tail(z: float, skew: float) -> float:
    """Gives P(Z > z) of the Pearson type III distribution of mean 0, deviation 1 and a skewness.

    It is a gamma distribution that is shifted, and for a negative skewness turned over.
    `scipy.stats.pearson3.sf` gives the same, of arrays, in ten times the time.
    """
    if abs(skew) < 1e-5:
        return float(special.ndtr(-z))
    shape = 4.0 / skew**2
    value = max(shape + math.copysign(1.0, skew) * z * math.sqrt(shape), 0.0)
    tail = special.gammaincc if skew > 0.0 else special.gammainc
    return float(tail(shape, value))


def _third_moments(h: np.ndarray, g: np.ndarray, mean: float, varies: bool) -> dict[str, float]:
    """Estimates what the third moment of the statistic is made of.

    Args:
        h: [m, m] of the first m codes, zero on the diagonal.
        g: [n] of all codes.
        mean: of h.
        varies: whether g does; else it is noise.
    """
    m, n = len(h), len(g)
    own = g[:m]
    centred = h - own[:, None] - own - mean
    np.fill_diagonal(centred, 0.0)
    triangle = np.einsum("ij,ji->", centred @ centred, centred) / (m * (m - 1) * (m - 2))
    # The noise of g is made of the same h, and adds the triangles once more.
    across = own @ centred @ own / (m * (m - 1)) - triangle / n
    return {
        "third_of_rows": 8.0 * np.mean(g**3) + 24.0 * across if varies else 0.0,
        "third_of_pairs": 8.0 * triangle,
    }
