import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import integrate, special, stats

from aae_tf import mmd, priors
from aae_tf.priors import swiss_roll


def radius_after(length, turns, inner, outer):
    """Inverts the length of the spiral, which has a closed form in the radius."""
    b = (outer - inner) / (2 * np.pi * turns)

    def primitive(r):
        return (r * np.hypot(r, b) + b**2 * np.arcsinh(r / b)) / (2 * b)

    radii = np.linspace(inner, outer, 200_001)
    return np.interp(length, primitive(radii) - primitive(inner), radii), b


def points_on_the_spiral(count, turns=2.0, inner=1.0, outer=6.0):
    """The middles of `count` pieces of equal length, by the closed form."""
    _, b = radius_after(0.0, turns, inner, outer)
    total = integrate.quad(lambda r: np.hypot(r, b) / b, inner, outer)[0]
    radii, _ = radius_after((np.arange(count) + 0.5) * total / count, turns, inner, outer)
    angles = (radii - inner) / b
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=-1), total


def locs(prior):
    return prior.components_distribution.components_distribution.mean().numpy()


@pytest.mark.parametrize("dim", [2, 4])
def test_density_is_that_of_gaussians_along_the_spiral(dim):
    prior = swiss_roll(
        5, dim, turns=1.5, inner_radius=0.5, outer_radius=3.0, scale=0.2, points_per_component=7
    )
    centres, _ = points_on_the_spiral(35, turns=1.5, inner=0.5, outer=3.0)
    points = np.random.default_rng(0).normal(0, 1, [200, dim]).astype(np.float32)
    along = stats.norm(0, 0.2).logpdf(points[:, np.newaxis, :2] - centres).sum(axis=-1)
    rest = stats.norm(0, 0.2).logpdf(points[:, 2:]).sum(axis=1)
    expected = special.logsumexp(along, axis=1) - np.log(35) + rest
    np.testing.assert_allclose(prior.log_prob(points), expected, rtol=2e-4)
    # Component k owns the k-th piece.
    for k in range(5):
        piece = special.logsumexp(along[:, 7 * k : 7 * k + 7], axis=1) - np.log(7) + rest
        values = priors.conditional(prior, np.full(200, k)).log_prob(points)
        np.testing.assert_allclose(values, piece, rtol=2e-4)


def test_points_are_evenly_spaced_and_at_most_one_deviation_apart():
    prior = swiss_roll()
    centres, total = points_on_the_spiral(150)
    np.testing.assert_allclose(locs(prior).reshape(150, 2), centres, atol=1e-4)
    assert total / 150 <= 0.3 < total / 140
    for arguments in ({"scale": 0.1}, {"num_components": 3}, {"turns": 4.0}):
        steps = np.diff(locs(swiss_roll(**arguments)).reshape(-1, 2), axis=0)
        assert np.linalg.norm(steps, axis=1).max() <= arguments.get("scale", 0.3)


def test_default_density_is_even_along_the_spiral():
    prior = swiss_roll()
    # Between the points and at them, away from the ends.
    fine, _ = points_on_the_spiral(601)
    inside = prior.prob(fine[40:-40].astype(np.float32)).numpy()
    assert inside.max() / inside.min() < 1.005


def test_default_scale_is_that_of_the_ring():
    np.testing.assert_allclose(swiss_roll().stddev(), priors.ring_mixture().stddev(), rtol=0.06)


def test_neighbouring_turns_are_apart():
    prior = swiss_roll()
    labels = np.repeat(np.arange(10), 500)
    samples = priors.conditional(prior, labels).sample(seed=[0, 1])
    each = prior.components_distribution.log_prob(samples[:, tf.newaxis]).numpy()
    # A piece touches those before and after it, and no other.
    distance = np.abs(each.argmax(axis=1) - labels)
    assert distance.max() <= 1
    assert 0.02 < distance.mean() < 0.08


@pytest.mark.thorough
def test_has_a_closed_form_and_exact_rows():
    prior = swiss_roll(4)
    kernel = mmd.default_kernel(prior)
    assert mmd.has_mean_embedding(prior, kernel)
    samples = priors.sample_rows(prior, priors.row_seeds(2_000, seed=0))
    noise = np.sqrt(2 * mmd.null_variance(prior, kernel) / (2_000 * 1_999))
    assert abs(mmd.squared_mmd(samples, prior, kernel)) < 5 * noise


def test_is_a_float32_mixture_of_mixtures():
    prior = swiss_roll(num_components=3, dim=3, points_per_component=2)
    pieces = prior.components_distribution
    assert isinstance(prior, tfp.distributions.MixtureSameFamily)
    assert isinstance(pieces, tfp.distributions.MixtureSameFamily)
    assert isinstance(pieces.components_distribution, tfp.distributions.MultivariateNormalDiag)
    assert pieces.components_distribution.batch_shape == [3, 2]
    assert prior.dtype == tf.float32
    assert prior.event_shape == [3]
    assert prior.batch_shape == []
    assert priors.num_components(prior) == 3


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_components": 0}, ValueError, "Expected `num_components` to be at least 1"),
        ({"num_components": 2.5}, TypeError, "Expected `num_components` to be an integer"),
        ({"dim": 1}, ValueError, "Expected `dim` to be at least 2. Received: dim=1."),
        ({"turns": 0.0}, ValueError, "Expected `turns` to be positive in float32"),
        ({"inner_radius": -1.0}, ValueError, "Expected `inner_radius` to be zero or more"),
        ({"inner_radius": "1"}, TypeError, "Expected `inner_radius` to be a number"),
        ({"outer_radius": 1.0}, ValueError, "Expected `outer_radius` to be greater than inner"),
        ({"outer_radius": np.inf}, ValueError, "Expected `outer_radius` to be finite"),
        ({"scale": 0}, ValueError, "Expected `scale` to be positive in float32"),
        ({"points_per_component": 0}, ValueError, "Expected `points_per_component` to be at least"),
        ({"points_per_component": 1.5}, TypeError, "`points_per_component` to be an integer"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        swiss_roll(**arguments)
