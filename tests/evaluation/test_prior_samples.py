import numpy as np
import pytest
import tensorflow_probability as tfp

from aae_tf import priors
from aae_tf.evaluation import prior_samples as module
from aae_tf.evaluation.prior_samples import prior_samples

tfd = tfp.distributions


@pytest.mark.parametrize(
    "prior",
    [priors.ring_mixture(), tfd.Sample(tfd.Laplace(0.0, 1.0), 2)],
    ids=["by row", "by the distribution"],
)
def test_chunks_are_independent_samples(prior, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 4000)
    chunks = list(prior_samples(prior, 10_000, seed=3))
    assert [len(chunk) for chunk in chunks] == [4000, 4000, 2000]
    samples = np.concatenate(chunks)
    assert len(np.unique(samples, axis=0)) == 10_000
    variance = prior.variance().numpy()
    np.testing.assert_allclose(samples.mean(axis=0), 0.0, atol=5 * np.sqrt(variance.max() / 1e4))
    np.testing.assert_allclose(samples.var(axis=0), variance, rtol=0.1)
    np.testing.assert_array_equal(np.concatenate(list(prior_samples(prior, 10_000, 3))), samples)
    assert not np.array_equal(next(prior_samples(prior, 10_000, 4)), chunks[0])
