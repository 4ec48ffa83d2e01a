import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import special, stats

from aae_tf.priors import ring_mixture


def component_log_densities(points, num_components, radius, radial_scale, tangential_scale):
    """By hand, in the frame of each component: along its radius, across it, and the rest."""
    angles = 2 * np.pi * np.arange(num_components) / num_components
    x, y, rest = points[:, :1], points[:, 1:2], points[:, 2:]
    along = x * np.cos(angles) + y * np.sin(angles)
    across = -x * np.sin(angles) + y * np.cos(angles)
    return (
        stats.norm(radius, radial_scale).logpdf(along)
        + stats.norm(0, tangential_scale).logpdf(across)
        + stats.norm(0, radial_scale).logpdf(rest).sum(axis=1, keepdims=True)
    )


@pytest.mark.parametrize("dim", [2, 4])
def test_density_is_that_of_gaussians_elongated_along_their_radius(dim):
    scales = {"radius": 3.0, "radial_scale": 0.8, "tangential_scale": 0.2}
    prior = ring_mixture(num_components=7, dim=dim, **scales)
    points = np.random.default_rng(0).normal(0, 2, [200, dim]).astype(np.float32)
    expected = special.logsumexp(component_log_densities(points, 7, **scales), axis=1) - np.log(7)
    np.testing.assert_allclose(prior.log_prob(points), expected, rtol=2e-4, atol=2e-4)


def test_component_k_is_at_the_angle_of_k_steps():
    means = ring_mixture(num_components=10, radius=5.0).components_distribution.mean().numpy()
    turns = np.exp(2j * np.pi * np.arange(10) / 10)
    np.testing.assert_allclose(means @ [1, 1j], 5.0 * turns, atol=1e-6)


def test_defaults_touch_but_do_not_merge():
    prior = ring_mixture()
    rng = np.random.default_rng(0)
    # By symmetry, samples of component 0 say it all.
    samples = np.stack([rng.normal(4.0, 1.0, 200_000), rng.normal(0, 0.4120, 200_000)], axis=1)
    each = component_log_densities(samples, 10, 4.0, 1.0, 0.4120)
    under_a_neighbour = np.mean(each.argmax(axis=1) != 0)
    # The docstring says 1.3%; five standard errors.
    assert abs(under_a_neighbour - 0.0131) < 5 * np.sqrt(0.0131 / 200_000)
    mixed = special.logsumexp(each[:100], axis=1) - np.log(10)
    np.testing.assert_allclose(prior.log_prob(samples[:100].astype("float32")), mixed, atol=1e-3)


@pytest.mark.parametrize(
    ("num_components", "radial_scale", "expected"),
    [(1, 0.3, 0.15), (2, 0.3, 0.15), (10, 0.3, 0.1030), (40, 0.3, 0.02615), (1, 9.0, 1 / 3)],
)
def test_default_tangential_scale_follows_the_gap(num_components, radial_scale, expected):
    prior = ring_mixture(num_components, radius=1.0, radial_scale=radial_scale)
    # Component 0 lies on the first axis, so its tangential direction is the second.
    stddev = prior.components_distribution.stddev().numpy()[0]
    np.testing.assert_allclose(stddev, [radial_scale, expected], rtol=1e-3)


def test_extreme_elongation_keeps_both_scales():
    prior = ring_mixture(num_components=8, radius=1.0, radial_scale=1e3, tangential_scale=1e-3)
    factor = prior.components_distribution.scale.to_dense().numpy().astype(np.float64)
    np.testing.assert_allclose(np.linalg.det(factor), 1.0, rtol=1e-5)
    largest = np.linalg.svd(factor, compute_uv=False)[:, 0]
    np.testing.assert_allclose(largest, 1e3, rtol=1e-5)


def test_is_a_float32_vector_with_a_full_factor_per_component():
    prior = ring_mixture(num_components=5, dim=3)
    assert isinstance(prior.components_distribution, tfp.distributions.MultivariateNormalTriL)
    assert prior.dtype == tf.float32
    assert prior.event_shape == [3]
    assert prior.batch_shape == []
    np.testing.assert_allclose(prior.mixture_distribution.probs, np.full(5, 0.2), rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_components": 0}, ValueError, "Expected `num_components` to be at least 1"),
        ({"num_components": 2.5}, TypeError, "Expected `num_components` to be an integer"),
        ({"dim": 1}, ValueError, "Expected `dim` to be at least 2. Received: dim=1."),
        ({"radius": 0.0}, ValueError, "Expected `radius` to be positive in float32"),
        ({"radial_scale": -1.0}, ValueError, "Expected `radial_scale` to be positive in float32"),
        ({"tangential_scale": 0}, ValueError, "Expected `tangential_scale` to be positive"),
        ({"tangential_scale": "1"}, TypeError, "Expected `tangential_scale` to be a number"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        ring_mixture(**arguments)
