import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import priors
from aae_tf.evaluation import prior_density

tfd = tfp.distributions


@pytest.mark.parametrize(
    "prior",
    [priors.ring_mixture(), tfd.Sample(tfd.Laplace(0.0, 1.0), 2)],
    ids=["by row", "by the distribution"],
)
def test_chunks_are_independent_samples(prior, monkeypatch):
    monkeypatch.setattr(prior_density, "_NUM_SAMPLES", 10_000)
    monkeypatch.setattr(prior_density, "_CHUNK_SIZE", 4000)
    prior = prior.copy()  # No other test has drawn from it.
    samples = prior_density._samples(prior, seed=3)
    assert len(np.unique(samples, axis=0)) == len(samples) == 10_000
    variance = prior.variance().numpy()
    np.testing.assert_allclose(samples.mean(axis=0), 0.0, atol=5 * np.sqrt(variance.max() / 1e4))
    np.testing.assert_allclose(samples.var(axis=0), variance, rtol=0.1)
    assert prior_density._samples(prior, seed=3) is samples
    np.testing.assert_array_equal(prior_density._samples(prior.copy(), seed=3), samples)
    assert not np.array_equal(prior_density._samples(prior, seed=4), samples)


def test_samples_of_a_prior_with_variables_are_drawn_anew():
    scale = tf.Variable([1.0])
    prior = tfd.MultivariateNormalDiag([0.0], scale_diag=scale)
    before = prior_density._samples(prior, seed=0)
    scale.assign([5.0])
    np.testing.assert_allclose(prior_density._samples(prior, seed=0), 5.0 * before, rtol=1e-5)
