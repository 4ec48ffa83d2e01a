import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats

from aae_tf import priors

tfd = tfp.distributions

ROWS = 5_000
# name: (prior, its marginals)
CASES = {
    "gaussian": (priors.gaussian(2, 3.0), stats.norm(0, 3)),
    "uniform": (priors.uniform(2, -1.0, 4.0), stats.uniform(-1, 5)),
    "float64": (tfd.Sample(tfd.Normal(np.float64(1), np.float64(2)), 2), stats.norm(1, 2)),
    "laplace": (tfd.Sample(tfd.Laplace(0.0, 2.0), 2), stats.laplace(0, 2)),
}


@pytest.mark.sampled
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_samples_follow_the_prior_in_a_step(name, jit_compile):
    prior, marginal = CASES[name]

    @tf.function(
        input_signature=[tf.TensorSpec([None, 2])], jit_compile=jit_compile, autograph=False
    )
    def step(codes):
        return priors.sample(prior, tf.shape(codes)[0], seed=[3, 4])

    samples = step(tf.zeros([ROWS, 2]))
    assert samples.shape == [ROWS, 2]
    assert samples.dtype == prior.dtype
    for column in samples.numpy().T:
        assert stats.kstest(column, marginal.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(samples.numpy().T)[0, 1]) < 4.5 / np.sqrt(ROWS)


def test_seeds_differ():
    first, again, other = (
        priors.sample(priors.ring_mixture(), 8, seed) for seed in ([0, 1], [0, 1], [1, 1])
    )
    np.testing.assert_array_equal(first, again)
    assert (first.numpy() != other.numpy()).all()


def test_labels_choose_the_component():
    prior = priors.ring_mixture(4, radius=9.0, radial_scale=0.1)
    samples = priors.sample(prior, 3, seed=[0, 1], labels=[0, 3, 1])
    np.testing.assert_allclose(samples, [[9, 0], [0, -9], [0, 9]], atol=0.6)
    with pytest.raises(ValueError, match="Expected `prior` to have components"):
        priors.sample(priors.gaussian(2), 3, seed=[0, 1], labels=[0, 3, 1])


def test_a_prior_with_variables():
    loc = tf.Variable([5.0, -5.0])
    samples = priors.sample(tfd.MultivariateNormalDiag(loc, [0.1, 0.1]), 4, seed=[0, 1])
    np.testing.assert_allclose(samples, np.tile([5.0, -5.0], [4, 1]), atol=0.6)
