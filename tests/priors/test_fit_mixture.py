import numpy as np
import pytest
import scipy.stats
from sklearn.mixture import GaussianMixture

from aae_tf import mmd
from aae_tf.priors import fit_mixture

RNG = np.random.default_rng(0)
CENTRES = np.array([[0.0, 0.0], [8.0, 1.0], [-3.0, 9.0]])
LABELS = RNG.choice(3, size=3000, p=[0.5, 0.3, 0.2])
CODES = CENTRES[LABELS] + RNG.normal(size=[3000, 2]) @ np.array([[1.0, 0.4], [0.0, 0.6]])


def test_the_components_are_found():
    prior = fit_mixture(CODES, num_components=3)
    means = prior.components_distribution.mean().numpy()
    order = [int(np.linalg.norm(means - centre, axis=1).argmin()) for centre in CENTRES]
    np.testing.assert_allclose(means[order], CENTRES, atol=0.15)
    probs = prior.mixture_distribution.probs_parameter().numpy()
    np.testing.assert_allclose(probs[order], np.bincount(LABELS) / 3000, atol=0.01)
    for k, label in zip(order, range(3), strict=True):
        covariance = prior.components_distribution.covariance().numpy()[k]
        np.testing.assert_allclose(covariance, np.cov(CODES[label == LABELS].T), atol=0.05)


def test_density_is_that_of_scikit_learn_whatever_the_scale_of_the_columns():
    scales = np.array([1e-3, 1e3])
    prior = fit_mixture(CODES * scales, num_components=3)
    expected = GaussianMixture(3, random_state=0).fit(CODES).score_samples(CODES[:50])
    found = prior.log_prob((CODES[:50] * scales).astype("float32")).numpy()
    # The density of scaled codes; the product of the two scales is one.
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_one_component_is_the_gaussian_of_the_moments():
    prior = fit_mixture(CODES, num_components=1)
    law = scipy.stats.multivariate_normal(CODES.mean(axis=0), np.cov(CODES.T))
    np.testing.assert_allclose(
        prior.log_prob(CODES[:20].astype("float32")), law.logpdf(CODES[:20]), atol=0.01
    )


def test_it_has_closed_forms():
    prior = fit_mixture(CODES, num_components=3)
    kernel = mmd.default_kernel(prior)
    assert mmd.standardized_mmd(CODES[:500].astype("float32"), prior, kernel) < 3.0


def test_a_seed_fixes_the_fit():
    first, again = (fit_mixture(CODES, 4, seed=2).sample(5, seed=[0, 1]) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(ValueError, match="`num_components`"):
        fit_mixture(CODES, 0)
    with pytest.raises(ValueError, match="`codes` to have at least `num_components` rows"):
        fit_mixture(CODES[:5], 6)
    with pytest.raises(ValueError, match="`codes` to be finite"):
        fit_mixture(np.where(np.arange(3000)[:, np.newaxis] == 3, np.nan, CODES))
    with pytest.raises(TypeError, match="`seed`"):
        fit_mixture(CODES, 2, seed=0.5)
