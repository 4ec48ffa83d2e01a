"""Laws on the unit sphere: against quadrature over angles, SciPy's functions and closed forms."""

import numpy as np
import pytest
import scipy.special
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd, models, priors
from tests.mmd.oracles import panels
from tests.models.small import INPUTS, build

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels

A, W = 1.1, 0.6
GAUSSIAN = psd_kernels.ExponentiatedQuadratic(np.float64(A), np.float64(W))
DIRECTIONS = np.array([[0.6, 0.0, 0.8], [0.0, -1.0, 0.0]])
CONCENTRATIONS = np.array([2.0, 30.0])
POINTS = np.array([[0.0, 0.0, 0.0], [0.3, -0.2, 0.9], [0.0, 3.0, 0.1], [1e-7, 0.0, 0.0]])


def _grid() -> tuple[np.ndarray, np.ndarray]:
    """Points of the sphere in three dimensions, and the share of its area that each stands for."""
    heights, weights = panels(np.linspace(-1.0, 1.0, 9))
    angles = 2.0 * np.pi * np.arange(120) / 120
    radii = np.sqrt(1.0 - heights**2)[:, np.newaxis]
    level = radii * np.cos(angles), radii * np.sin(angles), heights[:, np.newaxis]
    x = np.stack(np.broadcast_arrays(*level), axis=-1)
    return x.reshape(-1, 3), np.repeat(weights / 240.0, 120)


def test_mixtures_of_von_mises_fisher_laws():
    x, areas = _grid()
    densities = np.exp(CONCENTRATIONS * (x @ DIRECTIONS.T - 1.0))
    shares = areas[:, np.newaxis] * densities
    shares = (shares / shares.sum(axis=0)) @ np.array([0.3, 0.7])
    mixture = tfd.MixtureSameFamily(
        tfd.Categorical(probs=np.array([0.3, 0.7])),
        tfd.VonMisesFisher(DIRECTIONS, CONCENTRATIONS),
    )
    expected = A**2 * np.exp(-((POINTS[:, np.newaxis] - x) ** 2).sum(axis=-1) / (2.0 * W**2))
    values = mmd.mean_embedding(mixture, GAUSSIAN, POINTS)
    np.testing.assert_allclose(values, expected @ shares, rtol=1e-7)
    # mu at X, averaged over X: the grid once more.
    norm = shares @ mmd.mean_embedding(mixture, GAUSSIAN, x).numpy()
    np.testing.assert_allclose(mmd.mean_embedding_norm(mixture, GAUSSIAN), norm, rtol=1e-7)


def test_two_laws_on_a_circle():
    angles = 2.0 * np.pi * np.arange(400) / 400
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    shares = np.exp(5.0 * (x @ [0.6, 0.8] - 1.0))
    shares /= shares.sum()
    law = tfd.VonMisesFisher(np.array([0.6, 0.8]), np.float64(5.0))
    distances = ((x[:, np.newaxis] - x) ** 2).sum(axis=-1)
    gram = A**2 * np.exp(-distances / (2.0 * W**2))
    np.testing.assert_allclose(mmd.mean_embedding(law, GAUSSIAN, x[:5]), (gram @ shares)[:5])
    np.testing.assert_allclose(mmd.mean_embedding_norm(law, GAUSSIAN), shares @ gram @ shares)


@pytest.mark.parametrize("dim", [2, 8, 64, 1000])
def test_the_uniform_law_has_the_confluent_function(dim):
    sphere = tfd.SphericalUniform(dim, dtype=tf.float64)
    points = np.random.default_rng(0).normal(size=(4, dim)) / dim**0.5
    points *= np.array([[1e-3], [0.3], [1.0], [3.0]])
    squares = (points**2).sum(axis=1)
    average = scipy.special.hyp0f1(0.5 * dim, squares / (4.0 * W**4))
    expected = A**2 * np.exp(-(squares + 1.0) / (2.0 * W**2)) * average
    np.testing.assert_allclose(mmd.mean_embedding(sphere, GAUSSIAN, points), expected, rtol=1e-8)
    norm = A**2 * np.exp(-1.0 / W**2) * scipy.special.hyp0f1(0.5 * dim, 1.0 / (4.0 * W**4))
    np.testing.assert_allclose(mmd.mean_embedding_norm(sphere, GAUSSIAN), norm, rtol=1e-8)


@pytest.mark.thorough
def test_the_energy_of_a_sphere_is_that_of_newtons_shell():
    sphere = tfd.SphericalUniform(3, dtype=tf.float64)
    radii = np.array([0.0, 0.4, 1.0, 2.5, 20.0])
    # E |z - X| for X on the unit sphere in three dimensions.
    expected = np.where(
        radii <= 1.0, 1.0 + radii**2 / 3.0, radii + 1.0 / np.maximum(3.0 * radii, 1)
    )
    points = radii[:, np.newaxis] * DIRECTIONS[0]
    np.testing.assert_allclose(mmd.mean_embedding(sphere, mmd.Energy(), points), -expected, 1e-6)
    np.testing.assert_allclose(mmd.mean_embedding_norm(sphere, mmd.Energy()), -4.0 / 3.0, 1e-6)


@pytest.mark.sampled
@pytest.mark.parametrize("kernel", [GAUSSIAN, mmd.Energy()], ids=["gaussian", "energy"])
def test_gradients_are_finite_everywhere_and_those_of_differences(kernel):
    sphere, points = priors.sphere(3), tf.constant(POINTS)
    value = tf.function(lambda z: tf.reduce_sum(mmd.mean_embedding(sphere, kernel, z)))
    gradient = tfp.math.value_and_gradient(value, points)[1].numpy()
    step = 1e-4 * np.eye(3)[2]
    for row, at in zip(gradient, POINTS, strict=True):
        ahead, behind = (float(value(tf.constant(at[np.newaxis] + s))) for s in (step, -step))
        assert row[2] == pytest.approx((ahead - behind) / 2e-4, rel=1e-3, abs=1e-5)


@pytest.mark.thorough
@pytest.mark.usefixtures("eager_steps")
def test_codes_are_matched_to_a_sphere(tmp_path):
    model = build(models.AAE, 3, prior=priors.sphere(3), divergence="energy")
    model.compile()
    logs = model.fit(INPUTS, verbose=0).history
    assert np.isfinite(logs["latent_divergence"]).all()
    directions = priors.sample_rows(priors.sphere(3), np.arange(4000))
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0, rtol=1e-6)
    alone = priors.sample_rows(priors.sphere(3), np.arange(7, 8))
    np.testing.assert_array_equal(alone[0], directions[7])
    kernel = psd_kernels.ExponentiatedQuadratic(length_scale=np.float32(0.5))
    assert mmd.standardized_mmd(directions[:1000], priors.sphere(3), kernel) < 4.0


def test_parameters_of_a_graph_have_no_rule():
    @tf.function
    def embed(concentration):
        law = tfd.VonMisesFisher(tf.constant(DIRECTIONS[0]), concentration)
        return mmd.mean_embedding(law, GAUSSIAN, POINTS)

    with pytest.raises(NotImplementedError, match="the parameters of `distribution` to be const"):
        embed(tf.constant(2.0, tf.float64))

    @tf.function
    def widen(width):
        kernel = psd_kernels.ExponentiatedQuadratic(length_scale=width)
        return mmd.mean_embedding(tfd.SphericalUniform(3, dtype=tf.float64), kernel, POINTS)

    with pytest.raises(NotImplementedError, match="the widths of `kernel` to be constants"):
        widen(tf.constant(2.0, tf.float64))


@pytest.mark.parametrize(("dim", "error"), [(1, ValueError), (2.0, TypeError)])
def test_a_sphere_has_two_dimensions_or_more(dim, error):
    with pytest.raises(error, match="Expected `dim`"):
        priors.sphere(dim)
