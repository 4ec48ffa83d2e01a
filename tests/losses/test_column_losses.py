"""Half deviances of counts against SciPy, in float64, over all sizes of counts and means."""

import itertools

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from aae_tf.losses.column_losses import half_deviance

COUNTS = np.array([0.0, 1.0, 2.0, 17.0, 1e3, 65_535.0, 1e6])
LOG_MEANS = np.array([-40.0, -5.0, 0.0, 3.0, 6.9, 11.0, 14.0, 40.0])


def _of_scipy(count, mean, dispersion):
    if dispersion is None:
        return scipy.stats.poisson.logpmf(count, count) - scipy.stats.poisson.logpmf(count, mean)
    size = 1.0 / dispersion
    best, found = (scipy.stats.nbinom.logpmf(count, size, size / (size + m)) for m in (count, mean))
    return best - found


@pytest.mark.parametrize("dispersion", [None, 1e-4, 0.1, 3.0])
def test_half_deviance_is_that_of_scipy(dispersion):
    pairs = np.array(list(itertools.product(COUNTS, LOG_MEANS)))
    # Beyond, SciPy's float64 loses what float32 is compared in.
    pairs = pairs[np.abs(np.log(pairs[:, 0] + 1.0) - pairs[:, 1]) < 30.0]
    expected = [_of_scipy(count, np.exp(log_mean), dispersion) for count, log_mean in pairs]
    counts, log_means = (tf.constant(column, tf.float32)[:, None] for column in pairs.T)
    given = None if dispersion is None else np.float32([dispersion])
    found = half_deviance(counts, log_means, given)[:, 0]
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-2)


@pytest.mark.parametrize("dispersion", [None, 1e-8, 1e-4, 0.1, 3.0, 100.0])
def test_half_deviances_are_finite_and_not_negative(dispersion):
    # A count of zero comes back from its feature as some 1e-8.
    counts, log_means = np.meshgrid([0.0, 1e-9, 1e-8, 1e-6, *COUNTS[1:], 2e17], LOG_MEANS)
    counts, log_means = (tf.constant(x.reshape(-1, 1), tf.float32) for x in (counts, log_means))
    with tf.GradientTape() as tape:
        tape.watch(log_means)
        given = None if dispersion is None else np.float32([dispersion])
        losses = half_deviance(counts, log_means, given)
    assert np.isfinite(losses).all()
    assert np.isfinite(tape.gradient(losses, log_means)).all()
    scale = 1.0 + np.abs(counts.numpy() * np.maximum(1.0, np.abs(log_means)))
    assert (losses.numpy() > -1e-5 * scale).all()
