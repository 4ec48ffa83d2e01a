import numpy as np
import pytest
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
    chunks = list(prior_density._sample_chunks(prior, seed=3))
    assert [len(chunk) for chunk in chunks] == [4000, 4000, 2000]
    samples = np.concatenate(chunks)
    assert len(np.unique(samples, axis=0)) == 10_000
    variance = prior.variance().numpy()
    np.testing.assert_allclose(samples.mean(axis=0), 0.0, atol=5 * np.sqrt(variance.max() / 1e4))
    np.testing.assert_allclose(samples.var(axis=0), variance, rtol=0.1)
    again = np.concatenate(list(prior_density._sample_chunks(prior, seed=3)))
    np.testing.assert_array_equal(again, samples)
    assert not np.array_equal(next(prior_density._sample_chunks(prior, seed=4)), chunks[0])
