"""Laws on the line by their quantile function, against SciPy's quadrature."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import integrate, stats

from aae_tf import mmd
from tests.mmd.mmd_cases import check_gradient

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels

# Each of location and scale, beside SciPy's.
LAWS = {
    "Logistic": (tfd.Logistic, stats.logistic),
    "Gumbel": (tfd.Gumbel, stats.gumbel_r),
    "LogNormal": (
        tfd.LogNormal,
        lambda loc, scale: stats.lognorm(scale, scale=np.exp(loc)),
    ),
    "TruncatedNormal": (
        lambda loc, scale: tfd.TruncatedNormal(loc, scale, loc - scale, loc + 2.0 * scale),
        lambda loc, scale: stats.truncnorm(-1.0, 2.0, loc, scale),
    ),
    "HalfNormal": (
        lambda loc, scale: tfd.HalfNormal(scale),
        lambda loc, scale: stats.halfnorm(scale=scale),
    ),
    "Exponential": (
        lambda loc, scale: tfd.Exponential(1.0 / scale),
        lambda loc, scale: stats.expon(scale=scale),
    ),
    "Weibull": (
        lambda loc, scale: tfd.Weibull(tf.constant(1.5, tf.float64), scale),
        lambda loc, scale: stats.weibull_min(1.5, scale=scale),
    ),
    # The heaviest tails for which the bounds were computed.
    "LogNormal of scale 2": (
        lambda loc, scale: tfd.LogNormal(loc, 2.0 / 0.9 * scale),
        lambda loc, scale: stats.lognorm(2.0 / 0.9 * scale, scale=np.exp(loc)),
    ),
    "Weibull of shape 0.5": (
        lambda loc, scale: tfd.Weibull(tf.constant(0.5, tf.float64), scale),
        lambda loc, scale: stats.weibull_min(0.5, scale=scale),
    ),
}
LOC, SCALE = np.float64(0.3), np.float64(0.9)
# Of both sides, and where no value is within the kernel's reach.
POINTS = np.array([-40.0, -2.5, 0.05, 0.9, 4.0, 60.0])
GAUSSIAN = psd_kernels.ExponentiatedQuadratic(length_scale=np.float64(0.7))


def quadrature(law, function, centre=None, width=None):
    """E function(X) by pieces between quantiles, and where a kernel's peak is.

    A positive variable is integrated over its logarithm, in which heavy tails are short.
    """
    edges = law.ppf([1e-12, 1e-4, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1.0 - 1e-4, 1.0 - 1e-12])
    if centre is not None:
        peak = centre + width * np.arange(-8.0, 8.5, 2.0)
        edges = np.union1d(edges, peak[(peak > edges[0]) & (peak < edges[-1])])
    if law.ppf(0.0) == 0.0:

        def integrand(t):
            return law.pdf(np.exp(t)) * np.exp(t) * function(np.exp(t))

        edges = np.log(edges)
    else:

        def integrand(t):
            return law.pdf(t) * function(t)

    return sum(integrate.fixed_quad(integrand, *p, n=30)[0] for p in itertools.pairwise(edges))


def vector(name, size=1, scale=SCALE):
    return tfd.Sample(LAWS[name][0](LOC, np.float64(scale)), size)


@pytest.mark.sampled
@pytest.mark.parametrize("name", LAWS)
def test_quadrature_between_quantiles(name):
    law = LAWS[name][1](LOC, SCALE)
    for width in SCALE * np.array([1e-4, 1e3, 0.7, 30.0]):
        kernel = psd_kernels.ExponentiatedQuadratic(length_scale=np.float64(width))

        def gaussian(x, z, width=width):
            return np.exp(-0.5 * ((x - z) / width) ** 2)

        expected = [quadrature(law, lambda x, z=z: gaussian(x, z), z, width) for z in POINTS]
        values = mmd.mean_embedding(vector(name), kernel, POINTS[:, np.newaxis])
        np.testing.assert_allclose(values, expected, atol=1e-8, rtol=0.0)
    # The oracle agrees with adaptive quadrature.
    adaptive = integrate.quad(
        lambda x: law.pdf(x) * gaussian(x, 0.9, 0.7),
        *np.clip(law.ppf([1e-12, 1.0 - 1e-12]), -10.0, 12.0),
        epsabs=1e-11,
        limit=200,
    )
    assert quadrature(law, lambda x: gaussian(x, 0.9, 0.7), 0.9, 0.7) == pytest.approx(adaptive[0])


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["LogNormal of scale 2", "Weibull of shape 0.5"])
def test_norm_of_heavy_tails(name):
    for width in SCALE * np.array([0.01, 0.7]):
        kernel = psd_kernels.ExponentiatedQuadratic(length_scale=np.float64(width))

        def embedding(x, kernel=kernel):
            return mmd.mean_embedding(vector(name), kernel, x[:, np.newaxis]).numpy()

        expected = quadrature(LAWS[name][1](LOC, SCALE), embedding)
        norm = mmd.mean_embedding_norm(vector(name), kernel)
        np.testing.assert_allclose(norm, expected, atol=1e-7, rtol=0.0)


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["Logistic", "LogNormal", "Exponential"])
def test_norm_of_laws_of_two_scales(name):
    # One component is a hundred times narrower, and narrower than the kernel.
    scales = [SCALE, np.float64(0.009)]
    mixture = tfd.MixtureSameFamily(
        tfd.Categorical(probs=np.array([0.5, 0.5])),
        tfd.Independent(LAWS[name][0](LOC, np.array(scales)[:, np.newaxis]), 1),
    )

    def embedding(x, scale):
        values = mmd.mean_embedding(vector(name, scale=scale), GAUSSIAN, x[:, np.newaxis])
        return values.numpy()

    means = [
        quadrature(LAWS[name][1](LOC, scale), lambda x, other=other: embedding(x, other))
        for scale, other in ((scales[0], scales[0]), (scales[1], scales[0]), (scales[1],) * 2)
    ]
    expected = np.dot([0.25, 0.5, 0.25], means)
    np.testing.assert_allclose(mmd.mean_embedding_norm(mixture, GAUSSIAN), expected, atol=1e-7)


@pytest.mark.thorough
def test_energy_and_products_of_coordinates():
    # E|z - X| and E|X - Y| of an exponential law of mean b, by hand; the others are coordinates.
    exponential, kernel, b = vector("Exponential"), mmd.Energy(), SCALE
    z = np.array([0.5, 3.0])
    values = mmd.mean_embedding(exponential, kernel, z[:, np.newaxis])
    np.testing.assert_allclose(values, -(z - b + 2.0 * b * np.exp(-z / b)), rtol=2e-6)
    np.testing.assert_allclose(mmd.mean_embedding_norm(exponential, kernel), -b, rtol=2e-6)
    points = np.array([[0.5, -1.0], [3.0, 0.25]])
    both = mmd.mean_embedding(vector("Logistic", 2), GAUSSIAN, points)
    each = [mmd.mean_embedding(vector("Logistic"), GAUSSIAN, points[:, [j]]) for j in (0, 1)]
    np.testing.assert_allclose(both, each[0] * each[1], rtol=1e-12)


@pytest.mark.sampled
@pytest.mark.parametrize("name", LAWS)
def test_gradients(name):
    def total(points, loc, scale):
        law = tfd.Sample(LAWS[name][0](loc, scale), 1)
        return tf.reduce_sum(mmd.mean_embedding(law, GAUSSIAN, points))

    used = name in ("Logistic", "Gumbel", "LogNormal", "TruncatedNormal")
    if used:
        check_gradient(total, np.array([[0.5], [3.0]]), LOC, SCALE)
    else:
        check_gradient(lambda z, scale: total(z, LOC, scale), np.array([[0.5], [3.0]]), SCALE)
    far = tf.constant([[-1e6], [1e3]], tf.float64)
    value, gradient = tfp.math.value_and_gradient(
        lambda z: mmd.mean_embedding(vector(name), GAUSSIAN, z), far
    )
    assert np.isfinite(value).all() and np.isfinite(gradient).all()


def test_features_of_fourier_are_refused():
    features = mmd.FourierFeatures(GAUSSIAN, 1, 16)
    assert not mmd.has_mean_embedding(vector("Logistic"), features)
    with pytest.raises(NotImplementedError, match=r"characteristic function.*Received: Logistic"):
        mmd.mean_embedding(vector("Logistic"), features, POINTS[:, np.newaxis])
