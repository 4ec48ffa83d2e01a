import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd, priors
from aae_tf.evaluation.prior_mismatch import prior_mismatch

tfd = tfp.distributions

# Can only be sampled.
UNKNOWN = tfd.TransformedDistribution(priors.gaussian(2), tfp.bijectors.Softplus())


def draws(prior, count, seed):
    return prior.sample(count, seed=[seed, 7]).numpy()


@pytest.mark.parametrize("prior", [priors.gaussian(2), UNKNOWN], ids=["closed", "sampled"])
def test_noise_is_the_spread_over_samples_of_the_prior(prior):
    kernel = mmd.default_kernel(prior)

    @tf.function(autograph=False)
    def estimate(codes, other):
        if prior is UNKNOWN:
            return mmd.squared_mmd_two_samples(codes, other, kernel)
        return mmd.squared_mmd(codes, prior, kernel)

    samples = tf.constant(draws(prior, 200 * 100, 0).reshape(100, 2, 100, 2))
    values = [estimate(codes, other) for codes, other in samples]
    _, noise = prior_mismatch(draws(prior, 100, 5), prior, seed=0)
    # The standard error of a standard deviation from 100 values is 7%, somewhat more as MMD^2 is
    # skewed.
    assert np.std(values) == pytest.approx(noise, rel=0.4)


def test_looks_at_two_thousand_codes_at_random():
    prior = priors.gaussian(2)
    # In sorted codes the first 2,000 would be far from the prior.
    codes = draws(prior, 6000, 1)
    codes = codes[codes[:, 0].argsort()]
    value, noise = prior_mismatch(codes, prior, seed=0)
    assert abs(value) < 5 * noise
    value, noise = prior_mismatch(codes[:2000], prior, seed=0)
    assert value > 50 * noise
