"""Drift tests: the statistic, its moments, false alarms where nothing drifts, and alarms."""

import functools

import numpy as np
import pytest
import tensorflow_probability as tfp
from scipy import stats

from aae_tf import mmd, priors
from aae_tf.detector import DriftMonitor
from aae_tf.detector.drift_monitor import _pearson_tail

PRIOR = priors.gaussian(2)


def codes(count, seed, shift=0.1, scale=1.15):
    """Codes without drift, which are not those of the prior."""
    return (shift + scale * np.random.default_rng(seed).standard_normal((count, 2))).astype("f4")


@functools.cache
def fitted(num_features=None):
    return DriftMonitor(PRIOR, 0.05, num_features=num_features, seed=1).fit(codes(6000, 0))


@pytest.mark.thorough
@pytest.mark.parametrize("num_features", [None, 64])
def test_windows_without_drift_alarm_as_often_as_asked(num_features):
    monitor, count = fitted(num_features), 300
    results = [monitor.test(codes(200, seed)) for seed in range(1, count + 1)]
    rate = np.mean([result.is_drift for result in results])
    assert abs(rate - 0.05) < 3 * np.sqrt(0.05 * 0.95 / count) + 0.005
    p_values = np.array([result.p_value for result in results])
    assert abs(np.mean(p_values <= 0.5) - 0.5) < 0.1


@pytest.mark.thorough
def test_moments_are_those_of_the_statistic():
    monitor, n = fitted(), 200
    statistics = np.array([monitor.test(codes(n, seed)).statistic for seed in range(1000, 1250)])
    m = monitor.moments
    variance = 4 * (n - 2) / (n * (n - 1)) * m["zeta_1"] + 2 / (n * (n - 1)) * m["zeta_2"]
    assert abs(statistics.mean() - m["mean"]) < 4 * np.sqrt(variance / 250)
    # The standard error of a variance is that of 250 draws, and of the measured moments.
    assert abs(statistics.var() / variance - 1) < 4 * np.sqrt(2 / 250)
    third = m["third_of_rows"] / n**2 + m["third_of_pairs"] / n**3
    skew = ((statistics - statistics.mean()) ** 3).mean() / statistics.std() ** 3
    assert abs(skew - third / variance**1.5) < 4 * np.sqrt(6 / 250)


def test_statistic_is_that_of_the_goodness_of_fit():
    window = codes(100, 3)
    expected = mmd.goodness_of_fit(window, PRIOR, num_bootstrap=1).statistic
    np.testing.assert_allclose(fitted().test(window).statistic, expected, rtol=1e-4)


@pytest.mark.parametrize("num_features", [None, 64])
@pytest.mark.parametrize("change", [{"shift": 0.5}, {"scale": 1.5}])
def test_drift_is_found(num_features, change):
    result = fitted(num_features).test(codes(300, 5, **change))
    assert result.is_drift and result.p_value < 1e-3


def test_config_makes_an_equal_monitor():
    monitor = fitted(64)
    twin = DriftMonitor.from_config(monitor.get_config())
    assert twin.test(codes(60, 7)) == monitor.test(codes(60, 7))
    assert twin.get_config() == monitor.get_config()


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"`false_alarm_rate` to lie in \(0, 1\)"):
        DriftMonitor(PRIOR, 1.0)
    with pytest.raises(ValueError, match="Expected `fit` to be called before `test`"):
        DriftMonitor(PRIOR).test(codes(60, 1))
    with pytest.raises(ValueError, match=r"`codes` to have at least 50 rows. Received: 49\."):
        fitted().test(codes(49, 1))
    with pytest.raises(ValueError, match="Expected `codes` to have finite values"):
        fitted().test(np.full((60, 2), np.nan))
    with pytest.raises(ValueError, match="Expected `codes` to have rows of shape"):
        fitted().test(np.zeros((60, 3)))
    tfd = tfp.distributions
    with pytest.raises(ValueError, match="Expected `prior` to have a known mean embedding"):
        DriftMonitor(tfd.Sample(tfd.Moyal(0.0, 1.0), 2))


@pytest.mark.parametrize("skew", [-2.0, -0.3, -1e-6, 0.0, 1e-6, 1e-3, 0.5, 3.0])
def test_tail_is_that_of_scipy(skew):
    for z in (-3.0, -0.5, 0.0, 0.7, 2.0, 6.0):
        expected = stats.pearson3.sf(z, skew)
        assert _pearson_tail(z, skew) == pytest.approx(expected, rel=1e-6, abs=1e-12)
