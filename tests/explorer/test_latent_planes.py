"""Tests of planes through the codes and the prior's contours in them."""

import numpy as np
import pytest
from scipy import stats

from aae_tf import priors
from aae_tf.explorer.latent_planes import principal_axes, prior_contours


def test_principal_axes_are_those_of_a_singular_value_decomposition():
    codes = np.random.default_rng(0).normal(size=(500, 4)) * [3.0, 2.0, 1.0, 0.5] + 1.0
    axes = principal_axes(codes)
    _, values, vectors = np.linalg.svd(codes - codes.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(axes["origin"], codes.mean(axis=0), rtol=1e-3)
    np.testing.assert_allclose(axes["shares"], values**2 / (values**2).sum(), rtol=1e-3)
    directions = np.array(axes["directions"])
    np.testing.assert_allclose(np.abs(directions), np.abs(vectors), atol=1e-3)
    assert (directions[np.arange(4), np.abs(directions).argmax(axis=1)] > 0.0).all()


def test_contours_of_a_gaussian_are_circles_of_its_mass():
    found = prior_contours(priors.gaussian(2, scale=2.0), [0.0, 0.0], np.eye(2).tolist())
    assert [level["mass"] for level in found["levels"]] == [0.95, 0.8, 0.5]
    for level in found["levels"]:
        (line,) = level["lines"]
        radii = np.linalg.norm(np.reshape(line, (-1, 2)), axis=1)
        expected = 2.0 * np.sqrt(stats.chi2(2).ppf(level["mass"]))
        np.testing.assert_allclose(radii, expected, rtol=0.03)
        np.testing.assert_allclose(line[:2], line[-2:], atol=1e-6)


def test_contours_in_a_plane_of_more_dimensions_are_those_of_the_marginal():
    angle = np.pi / 6
    directions = [[np.cos(angle), np.sin(angle), 0.0], [0.0, 0.0, 1.0]]
    found = prior_contours(priors.gaussian(3, scale=1.0), [1.0, 0.0, 0.0], directions)
    (line,) = found["levels"][1]["lines"]
    centre = np.array([-np.cos(angle), 0.0])
    radii = np.linalg.norm(np.reshape(line, (-1, 2)) - centre, axis=1)
    np.testing.assert_allclose(radii.mean(), np.sqrt(stats.chi2(2).ppf(0.8)), rtol=0.05)


def test_one_dimension_has_a_curve():
    found = prior_contours(priors.gaussian(1), [0.0], [[1.0]])
    assert found["levels"] == [] and len(found["limits"]) == 1
    x, density = np.reshape(found["curve"], (-1, 2)).T
    np.testing.assert_allclose(density, stats.norm.pdf(x), atol=0.01)


@pytest.mark.thorough
@pytest.mark.parametrize("prior", [priors.ring_mixture(6), priors.uniform(2, -1.0, 1.0)])
def test_limits_hold_nearly_all_samples(prior):
    found = prior_contours(prior, [0.0, 0.0], np.eye(2).tolist())
    (left, right), (low, high) = found["limits"]
    samples = prior.sample(5000, seed=[0, 1]).numpy()
    inside = (samples >= [left, low]) & (samples <= [right, high])
    assert inside.all(axis=1).mean() > 0.995
