"""Mean and deviation of any prior."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import priors
from aae_tf.priors.prior_moments import prior_moments

tfd = tfp.distributions


def test_known_moments_are_the_distributions_own():
    box = priors.uniform(3, low=-1.0, high=5.0)
    mean, deviation = prior_moments(box)
    np.testing.assert_allclose(mean, [2.0] * 3, rtol=1e-6)
    np.testing.assert_allclose(deviation, [6.0 / np.sqrt(12.0)] * 3, rtol=1e-6)
    assert mean.dtype == deviation.dtype == np.float32


def test_those_of_a_mixture_are_those_of_its_samples():
    prior = priors.ring_mixture(10, radius=4.0)
    mean, deviation = prior_moments(prior)
    draws = prior.sample(20_000, seed=[0, 1]).numpy()
    error = draws.std(axis=0) / np.sqrt(len(draws))
    assert (np.abs(mean - draws.mean(axis=0)) < 5.0 * error).all()
    np.testing.assert_allclose(deviation, draws.std(axis=0), rtol=0.02)


def test_unknown_ones_are_estimated():
    positive = tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), 1), tfp.bijectors.Exp())
    with pytest.raises(NotImplementedError):
        positive.mean()
    mean, deviation = prior_moments(positive)
    # Log-normal: mean e^(1/2), variance (e - 1) e, fourth central moment 113.9 squared variances.
    variance = (np.e - 1.0) * np.e
    np.testing.assert_allclose(mean, np.exp(0.5), atol=5.0 * np.sqrt(variance / 10_000))
    relative_error = 0.5 * np.sqrt(112.9 / 10_000)
    np.testing.assert_allclose(deviation, np.sqrt(variance), rtol=5.0 * relative_error)


@pytest.mark.parametrize(
    "prior",
    [
        tfd.Independent(tfd.Cauchy(tf.fill([2], 7.0), tf.ones(2)), 1),
        tfd.VectorDeterministic(tf.fill([2], 7.0)),
    ],
    ids=["no moments", "no width"],
)
def test_zero_and_one_stand_in(prior):
    mean, deviation = prior_moments(prior)
    np.testing.assert_array_equal(mean, [0.0, 0.0])
    np.testing.assert_array_equal(deviation, [1.0, 1.0])
