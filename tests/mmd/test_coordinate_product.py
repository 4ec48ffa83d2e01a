"""Products over coordinates, and Monte Carlo in many dimensions."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd
from tests.mmd.mmd_cases import check_gradient

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels
NUM_SAMPLES, CHUNK = 4_000_000, 100_000


def test_values_by_hand():
    kernel = mmd.CoordinateProduct(psd_kernels.MaternOneHalf(np.float64(1.1), np.float64(0.7)))
    x, y = np.random.default_rng(0).normal(size=(2, 4, 3))
    expected = 1.1**6 * np.exp(-np.abs(x[:, None] - y).sum(axis=-1) / 0.7)
    np.testing.assert_allclose(kernel.matrix(x, y), expected)
    np.testing.assert_allclose(kernel.apply(x, y), np.diag(expected))


def test_of_a_gaussian_kernel_it_is_one():
    x, y = np.random.default_rng(0).normal(size=(2, 4, 3))
    gaussian = psd_kernels.ExponentiatedQuadratic(length_scale=np.float64(0.7))
    np.testing.assert_allclose(
        mmd.CoordinateProduct(gaussian).matrix(x, y), gaussian.matrix(x, y), rtol=1e-12
    )


@pytest.mark.parametrize("name", ["MaternOneHalf", "MaternThreeHalves", "RationalQuadratic"])
def test_gradient_of_the_estimate(name):
    kernel = mmd.CoordinateProduct(getattr(psd_kernels, name)(length_scale=np.float64(0.7)))
    normal = tfd.MultivariateNormalDiag(np.zeros(3), np.ones(3))
    samples = np.random.default_rng(0).normal(size=(5, 3)) + 0.5
    check_gradient(lambda z: mmd.squared_mmd(z, normal, kernel), samples)
    # Equal samples lie on the kink.
    value, gradient = tfp.math.value_and_gradient(
        lambda z: mmd.squared_mmd(z, normal, kernel), tf.zeros([4, 3], tf.float64)
    )
    assert np.isfinite(value) and np.isfinite(gradient).all()


def test_a_kernel_without_a_rule():
    kernel = mmd.CoordinateProduct(psd_kernels.ExpSinSquared())
    message = r"`CoordinateProduct` to be of an average of Gaussian kernels.*ExpSinSquared"
    with pytest.raises(NotImplementedError, match=message):
        mmd.mean_embedding_norm(tfd.Sample(tfd.Normal(0.0, 1.0), 2), kernel)
    with pytest.raises(TypeError, match=r"`kernel` to be a kernel of tfp.math.psd_kernels"):
        mmd.CoordinateProduct("matern")


def test_dependent_coordinates_have_no_rule():
    kernel = mmd.CoordinateProduct(psd_kernels.MaternOneHalf())
    with pytest.raises(NotImplementedError, match="MultivariateNormalTriL and CoordinateProduct"):
        mmd.mean_embedding_norm(tfd.MultivariateNormalTriL([0.0, 0.0]), kernel)


def _squares(x, y):
    return np.einsum("nd,nd->n", x - y, x - y)


def _gaussian_mixture(d, rng):
    locs = rng.normal(size=(3, d)).astype("f4")
    scales = rng.uniform(0.4, 1.2, size=(3, d)).astype("f4")
    prior = tfd.MixtureSameFamily(
        tfd.Categorical(probs=np.full(3, 1 / 3)),
        tfd.MultivariateNormalDiag(locs.astype("f8"), scales.astype("f8")),
    )

    def draw(n):
        k = rng.integers(0, 3, n)
        x = rng.standard_normal((n, d), dtype=np.float32)
        x *= scales[k]
        return np.add(x, locs[k], out=x)

    return prior, draw


def _student(d, rng):
    prior = tfd.Sample(tfd.StudentT(np.float64(5.0), np.float64(0.25), np.float64(0.8)), d)

    def draw(n):
        # A chi-square of 5 degrees of freedom is two exponentials and the square of a normal.
        u = (1.0 - rng.random((2, n, d), dtype=np.float32)).prod(axis=0)
        chi = rng.standard_normal((n, d), dtype=np.float32) ** 2 - np.float32(2.0) * np.log(u)
        normal = rng.standard_normal((n, d), dtype=np.float32)
        return np.float32(0.25) + np.float32(0.8) * normal * np.sqrt(np.float32(5.0) / chi)

    return prior, draw


def _laplace(d, rng):
    prior = tfd.Sample(tfd.Laplace(np.float64(0.25), np.float64(0.5)), d)

    def draw(n):
        u = rng.random((n, d), dtype=np.float32) - np.float32(0.5)
        size = -np.log1p(-2.0 * np.minimum(np.abs(u), np.float32(0.5 - 1e-7)))
        return np.float32(0.25) + np.float32(0.5) * np.copysign(size, u)

    return prior, draw


def _box(d, rng):
    prior = tfd.Sample(tfd.Uniform(np.float64(-1.0), np.float64(2.0)), d)
    return prior, lambda n: rng.random((n, d), dtype=np.float32) * np.float32(3) - np.float32(1)


def _rational(d):
    c = np.sqrt(d)
    kernel = psd_kernels.RationalQuadratic(length_scale=c, scale_mixture_rate=np.float64(1.0))
    return kernel, lambda x, y: 1.0 / (1.0 + _squares(x, y) / (2.0 * c * c))


def _two_gaussians(d):
    widths = np.sqrt(d), 2.0 * np.sqrt(d)
    kernel = sum(
        (psd_kernels.ExponentiatedQuadratic(length_scale=w) for w in widths[1:]),
        start=psd_kernels.ExponentiatedQuadratic(length_scale=widths[0]),
    )

    def function(x, y):
        squares = _squares(x, y)
        return sum(np.exp(-squares / (2.0 * w * w)) for w in widths)

    return kernel, function


def _matern_coordinates(d):
    kernel = mmd.CoordinateProduct(psd_kernels.MaternThreeHalves(length_scale=np.float64(d)))

    def function(x, y):
        u = np.abs(x - y) * np.float32(np.sqrt(3.0) / d)
        return np.prod(1.0 + u, axis=1) * np.exp(-u.sum(axis=1))

    return kernel, function


def _matern(d):
    w = np.sqrt(d)
    kernel = psd_kernels.MaternFiveHalves(length_scale=w)

    def function(x, y):
        u = np.sqrt(5.0 * _squares(x, y)) / np.float32(w)
        return (1.0 + u + u * u / 3.0) * np.exp(-u)

    return kernel, function


@pytest.mark.slow
@pytest.mark.parametrize("dimension", [8, 32])
@pytest.mark.parametrize(
    ("make_prior", "make_kernel"),
    [
        (_gaussian_mixture, _rational),
        (_student, _two_gaussians),
        (_laplace, _matern_coordinates),
        (_box, _matern),
    ],
    ids=["mixture", "student", "laplace", "box"],
)
def test_monte_carlo_in_many_dimensions(make_prior, make_kernel, dimension):
    rng = np.random.default_rng(dimension)
    prior, draw = make_prior(dimension, rng)
    kernel, function = make_kernel(dimension)
    point = np.full(dimension, 0.5, np.float32)
    sums, squares, counts = np.zeros(2), np.zeros(2), np.zeros(2)
    for _ in range(NUM_SAMPLES // CHUNK):
        x = draw(CHUNK)
        for i, values in enumerate((function(x[: CHUNK // 2], point), function(x[::2], x[1::2]))):
            values = values.astype(np.float64)
            sums[i] += values.sum()
            squares[i] += values @ values
            counts[i] += len(values)
    means = sums / counts
    errors = np.sqrt((squares / counts - means**2) / counts)
    values = [
        mmd.mean_embedding(prior, kernel, point[None].astype("f8"))[0],
        mmd.mean_embedding_norm(prior, kernel),
    ]
    np.testing.assert_array_less(np.abs(np.array(values) - means), 5.0 * errors)
    np.testing.assert_array_less(errors, 0.005 * means)
