"""The variance of MMD^2 where both sides agree."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd, priors
from aae_tf.mmd import null_distribution
from tests.mmd.mmd_cases import CASES, SUM, make_kernel

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels

# How the Gaussians of other classes are found is a test of `test_gaussian_posteriors`.
GAUSSIANS = [
    "MultivariateNormalTriL",
    "Independent(Normal)",
    "mixture of Sample(Normal)",
    "mixture of mixtures",
]


def squared(terms):
    """Writes the square of a sum of Gaussians as the sum of all products of two."""
    return tuple((a * b, (v**-2 + w**-2) ** -0.5) for a, v in terms for b, w in terms)


def variance_by_sums(case, terms):
    """Takes E k^2 - 2 E mu^2 + c^2 from the oracles; E mu^2 by the support of a finite case."""
    embedding, norm = case.quadrature(terms, case.support)
    second = case.quadrature(squared(terms), case.support)[1]
    return second - 2.0 * case.probs @ embedding**2 + norm**2


def variance_by_quadrature(case, terms):
    nodes, weights = np.polynomial.legendre.leggauss(60)
    axes = []
    for edges in case.panels:
        starts, sides = np.array(edges[:-1])[:, None], np.diff(edges)[:, None]
        axes.append(
            ((starts + sides * (nodes + 1.0) / 2.0).ravel(), (sides * weights / 2.0).ravel())
        )
    (x, x_weights), (y, y_weights) = axes
    points = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    mass = (case.density(points) * x_weights[:, None] * y_weights).ravel()
    embedding, norm = case.quadrature(terms, points.reshape(-1, 2))
    second = case.quadrature(squared(terms), np.zeros([1, 2]))[1]
    return second - 2.0 * mass @ embedding**2 + norm**2


@pytest.mark.parametrize(("dimension", "s"), [(1, 0.5), (2, 1.0), (8, 8.0), (32, 40.0)])
def test_closed_form_for_the_standard_normal(dimension, s):
    normal = tfd.MultivariateNormalDiag(np.zeros(dimension))
    kernel = psd_kernels.ExponentiatedQuadratic(length_scale=np.float64(np.sqrt(s)))
    exact = (
        (s / (s + 4.0)) ** (dimension / 2.0)
        - 2.0 * (s**2 / ((1.0 + s) * (3.0 + s))) ** (dimension / 2.0)
        + (s / (s + 2.0)) ** dimension
    )
    np.testing.assert_allclose(mmd.null_variance(normal, kernel), exact, rtol=1e-11)


@pytest.mark.sampled
@pytest.mark.parametrize("name", GAUSSIANS)
def test_gaussians_and_their_mixtures_are_exact(name):
    case = CASES[name]
    value = mmd.null_variance(case.make("float64"), make_kernel(SUM))
    np.testing.assert_allclose(value, variance_by_quadrature(case, SUM), rtol=1e-8)


@pytest.mark.thorough
def test_other_distributions_average_over_draws():
    case = CASES["mixture of boxes"]
    prior, kernel = case.make("float64"), make_kernel(SUM)
    values = [mmd.null_variance(prior, kernel, seed=seed) for seed in range(5)]
    exact = variance_by_quadrature(case, SUM)
    error = np.std(values, ddof=1)
    assert 0.0 < error < 0.01 * exact
    assert abs(np.mean(values) - exact) < 6.0 * error / np.sqrt(5)


def test_finite_distributions():
    case = CASES["Sample(Bernoulli)"]
    value = mmd.null_variance(case.make("float64"), make_kernel(SUM))
    assert value == pytest.approx(variance_by_sums(case, SUM), rel=0.03)


@pytest.mark.thorough
def test_many_components_average_over_draws(monkeypatch):
    ring, kernel = priors.ring_mixture(5), make_kernel(SUM, "float32")
    exact = mmd.null_variance(ring, kernel)
    assert mmd.null_variance(ring, kernel, seed=1) == exact
    monkeypatch.setattr(null_distribution, "_MAX_ENTRIES", 0)
    values = [mmd.null_variance(ring, kernel, seed=seed) for seed in range(8)]
    error = np.std(values, ddof=1)
    assert 0.0 < error < 0.01 * exact
    assert abs(np.mean(values) - exact) < 5.0 * error / np.sqrt(8)


def test_wide_kernels_leave_digits():
    # For k = 1 - r^2 / (2 s) + ..., h = x'y / s: V = d / s^2 (1 + O(1 / s)).
    kernel = psd_kernels.ExponentiatedQuadratic(length_scale=np.float32(300.0))
    value = mmd.null_variance(tfd.MultivariateNormalDiag(tf.zeros(2)), kernel)
    assert value == pytest.approx(2.0 / 300.0**4, rel=1e-3)


def test_one_point_has_no_variance():
    kernel = psd_kernels.ExponentiatedQuadratic(length_scale=1.0)
    assert mmd.null_variance(tfd.VectorDeterministic([1.0, 2.0]), kernel) == 0.0


@pytest.mark.parametrize(
    "kernel",
    [psd_kernels.MaternOneHalf(length_scale=1.0), psd_kernels.Polynomial(1.0, exponent=1.0)],
    ids=["Matern", "linear"],
)
def test_other_kernels_and_integer_draws(kernel):
    # Two points, half the mass each: h = +-(k(x, x) - k(x, y)) / 2.
    prior = tfd.OneHotCategorical(probs=[0.5, 0.5])
    near, far = (float(kernel.apply([1.0, 0.0], other)) for other in ([1.0, 0.0], [0.0, 1.0]))
    np.testing.assert_allclose(mmd.null_variance(prior, kernel), (near - far) ** 2 / 4.0, rtol=0.01)


@pytest.mark.thorough
def test_without_a_closed_form_the_kernel_matrix_is_centred():
    # For the linear kernel x'y, h = (x - m)'(y - m): V is the squared norm of the covariance.
    # Exponential of normal variables of variance 1/4: each has variance e^(1/2) - e^(1/4).
    normal = tfd.MultivariateNormalDiag(tf.zeros(2), [0.5, 0.5])
    prior = tfd.TransformedDistribution(normal, tfp.bijectors.Exp())
    kernel = psd_kernels.Polynomial(1.0, exponent=1.0)
    values = [mmd.null_variance(prior, kernel, seed=seed) for seed in range(8)]
    error = np.std(values, ddof=1) / np.sqrt(8)
    exact = 2.0 * (np.exp(0.5) - np.exp(0.25)) ** 2
    assert abs(np.mean(values) - exact) < 5.0 * error
    assert error < 0.05 * exact


def test_inside_a_traced_function_it_is_a_number():
    kernel = psd_kernels.ExponentiatedQuadratic(length_scale=1.0)
    normal, found = priors.gaussian(2), []

    @tf.function(autograph=False)
    def trace():
        found.append(mmd.null_variance(normal, kernel))

    trace()
    assert found == [mmd.null_variance(normal, kernel)]
