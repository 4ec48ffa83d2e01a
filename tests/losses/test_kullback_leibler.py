import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import integrate, stats

from aae_tf import priors
from aae_tf.losses import KullbackLeibler, gaussian_kl

tfd = tfp.distributions
RNG = np.random.default_rng(0)
MEAN = RNG.normal(size=(5, 2)).astype("float32")
LOG_VARIANCE = RNG.normal(size=(5, 2)).astype("float32")
FACTOR = np.array([[1.5, 0.0], [0.7, 0.4]], "float32")
NO_SAMPLES = np.full((5, 2), np.nan, "float32")


def _gaussian_oracle(covariance):
    """KL between Gaussians by hand; the prior's mean is zero."""
    inverse = np.linalg.inv(covariance)
    return [
        0.5
        * (
            np.trace(inverse @ np.diag(np.exp(log_variance)))
            + mean @ inverse @ mean
            - 2
            + np.linalg.slogdet(covariance)[1]
            - log_variance.sum()
        )
        for mean, log_variance in zip(MEAN, LOG_VARIANCE, strict=True)
    ]


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("prior", "covariance"),
    [
        (priors.gaussian(2, scale=3.0), 9.0 * np.eye(2)),
        (tfd.MultivariateNormalTriL(np.zeros(2, "float32"), FACTOR), FACTOR @ FACTOR.T),
        (tfd.Independent(tfd.Normal(np.zeros(2, "float32"), [0.5, 2.0]), 1), np.diag([0.25, 4.0])),
    ],
)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_gaussian_priors_are_exact_without_a_look_at_samples(prior, covariance, jit_compile):
    run = tf.function(gaussian_kl, jit_compile=jit_compile, autograph=False)
    values = run(MEAN, LOG_VARIANCE, prior, NO_SAMPLES)
    assert values.shape == (5,) and values.dtype == tf.float32
    np.testing.assert_allclose(values, _gaussian_oracle(covariance), rtol=1e-4)


def test_standard_normal_is_the_formula_of_the_paper():
    values = gaussian_kl(MEAN, LOG_VARIANCE, priors.gaussian(2), NO_SAMPLES)
    by_hand = -0.5 * (1 + LOG_VARIANCE - MEAN**2 - np.exp(LOG_VARIANCE)).sum(axis=1)
    np.testing.assert_allclose(values, by_hand, rtol=1e-5)


def test_other_priors_are_estimated_without_bias():
    prior = tfd.MixtureSameFamily(
        tfd.Categorical(probs=[0.3, 0.7]),
        tfd.MultivariateNormalDiag(np.array([[-2.0], [1.0]], "float32"), [[0.5], [1.0]]),
    )
    posterior = stats.norm(0.4, np.exp(-0.5))

    def density(z):
        prior_density = 0.3 * stats.norm(-2, 0.5).pdf(z) + 0.7 * stats.norm(1, 1).pdf(z)
        return posterior.pdf(z) * (posterior.logpdf(z) - np.log(prior_density))

    exact, _ = integrate.quad(density, -6.0, 6.0)
    mean, log_variance = np.full((4000, 1), 0.4, "float32"), np.full((4000, 1), -1.0, "float32")
    samples = posterior.rvs((4000, 1), random_state=0).astype("float32")
    values = gaussian_kl(mean, log_variance, prior, samples).numpy()
    assert abs(values.mean() - exact) < 4 * values.std() / np.sqrt(4000)


def test_gradient_of_an_estimate_reaches_the_samples():
    mean = tf.constant(MEAN)
    with tf.GradientTape() as tape:
        tape.watch(mean)
        value = KullbackLeibler()(mean, LOG_VARIANCE, priors.ring_mixture(3), mean + 0.1)
    gradient = tape.gradient(value, mean)
    assert np.isfinite(gradient).all() and np.abs(gradient).min() > 0


@pytest.mark.parametrize("weight", [None, np.array([0.0, 1.0, 2.0, 0.0, 3.0])])
def test_term_is_the_mean_over_the_batch(weight):
    value = KullbackLeibler()(MEAN, LOG_VARIANCE, priors.gaussian(2), NO_SAMPLES, weight)
    expected = np.average(_gaussian_oracle(np.eye(2)), weights=weight)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
