import re

import numpy as np
import pytest
import scipy.special
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd
from aae_tf.mmd.gaussian_kernels import as_gaussians
from aae_tf.mmd.integrals import gamma_quadrature

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels
SHAPES = [0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.5, 5.0, 10.0, 100.0, 1e4, 1e6]
DISTANCES = np.geomspace(1e-6, 1e12, 400)


@pytest.mark.parametrize("shape", SHAPES)
def test_rational_quadratic_kernel_at_any_distance(shape):
    nodes, weights = gamma_quadrature(np.array(shape))
    values = np.exp(-np.square(DISTANCES)[:, None] * nodes / 2.0) @ weights
    exact = np.exp(-shape * np.log1p(DISTANCES**2 / (2.0 * shape)))
    assert np.abs(values - exact).max() < 5e-9


@pytest.mark.parametrize("shape", SHAPES[:-3])
def test_matern_kernel_at_any_distance(shape):
    nodes, weights = gamma_quadrature(np.array(shape))
    distances = DISTANCES[DISTANCES < 1e3]
    values = np.exp(-np.square(distances)[:, None] / (2.0 * nodes)) @ weights
    x = np.sqrt(2.0 * shape) * distances
    logs = (1.0 - shape) * np.log(2.0) - scipy.special.gammaln(shape) + shape * np.log(x) - x
    exact = np.exp(logs + np.log(scipy.special.kve(shape, x)))
    assert np.abs(values - exact).max() < 5e-9


@pytest.mark.parametrize("shape", [1.0, 2.5])
@pytest.mark.parametrize("ratio", [0.1, 1.0, 5.0])
def test_gauss_laguerre_rule(shape, ratio):
    # As (1 + ratio G)^(-d/2), of N(0, I) in d = 3: Gauss-Laguerre rules converge slowly in ratio.
    roots, root_weights = scipy.special.roots_genlaguerre(150, shape - 1.0)
    nodes, weights = gamma_quadrature(np.array(shape))
    expected = np.average((1.0 + ratio * roots / shape) ** -1.5, weights=root_weights)
    np.testing.assert_allclose(weights @ (1.0 + ratio * nodes) ** -1.5, expected, rtol=2e-8)


def test_number_of_nodes_that_the_docstring_says():
    counts = [len(gamma_quadrature(np.array(a))[0]) for a in (100.0, 2.5, 1.0, 0.5)]
    assert counts == [14, 31, 56, 97]


def test_shapes_of_a_batch_share_a_number_of_nodes():
    shapes = np.array([[0.5, 1e6], [2.5, 1.0]])
    nodes, weights = gamma_quadrature(shapes)
    assert nodes.shape == weights.shape == (2, 2, 97)
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, rtol=1e-12)
    for a, g, w in zip(shapes.ravel(), nodes.reshape(4, -1), weights.reshape(4, -1), strict=True):
        # E exp(-G t) is the rational quadratic kernel.
        np.testing.assert_allclose(w @ np.exp(-0.7 * g), (1.0 + 0.7 / a) ** -a, atol=5e-9)


@pytest.mark.parametrize("shape", [0.0, 0.04, 1e7, np.inf, np.nan])
def test_shapes_out_of_range(shape):
    message = f"Expected the shape of a gamma .* 0.05 to 1e\\+06: .* Received: shape={shape}"
    with pytest.raises(ValueError, match=message):
        gamma_quadrature(np.array(shape))


@pytest.mark.parametrize("dimension", [1, 5])
@pytest.mark.parametrize("name", ["MaternOneHalf", "MaternThreeHalves", "MaternFiveHalves"])
def test_matern_kernels_of_tfp_as_gaussians(name, dimension):
    kernel = getattr(psd_kernels, name)(np.float64(1.3), np.float64(0.8))
    x, y = np.random.default_rng(0).normal(size=(2, 30, dimension))
    y[0] = x[0]
    gaussians = as_gaussians(kernel)
    values = tf.reduce_sum(
        tf.square(gaussians.amplitude)
        * tf.exp(-0.5 * np.square(x - y).sum(axis=1)[:, None] * gaussians.inverse_length_scale**2),
        axis=1,
    )
    np.testing.assert_allclose(values, kernel.apply(x, y), atol=1.3**2 * 1e-8, rtol=0.0)


@pytest.mark.parametrize("dimension", [2, 8, 32])
def test_inverse_multiquadratic_kernel_has_an_anchor(dimension):
    # For N(0, I) and k = C / (C + r^2), E k(X, Y) = (C / 4) e^(C/4) E_{d/2}(C / 4).
    c = 2.0 * dimension
    kernel = psd_kernels.RationalQuadratic(
        length_scale=np.sqrt(c / 2.0), scale_mixture_rate=np.float64(1.0)
    )
    normal = tfd.MultivariateNormalDiag(np.zeros(dimension), np.ones(dimension))
    expected = c / 4.0 * np.exp(c / 4.0) * scipy.special.expn(dimension // 2, c / 4.0)
    np.testing.assert_allclose(mmd.mean_embedding_norm(normal, kernel), expected, rtol=1e-7)


def test_products_multiply_and_sums_add_up():
    matern = psd_kernels.MaternThreeHalves(length_scale=np.float64(0.8))
    gaussian = psd_kernels.ExponentiatedQuadratic(np.float64(2.0), np.float64(3.0))
    assert as_gaussians(matern * gaussian).batch_shape == as_gaussians(matern).batch_shape
    assert as_gaussians(matern + gaussian).batch_shape[0] == 1 + as_gaussians(matern).batch_shape[0]
    assert as_gaussians(matern + psd_kernels.Linear()) is None
    assert as_gaussians(matern * psd_kernels.Linear()) is None
    assert as_gaussians(psd_kernels.ExpSinSquared()) is None


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (
            lambda value: psd_kernels.RationalQuadratic(scale_mixture_rate=value),
            "scale_mixture_rate",
        ),
        (lambda value: psd_kernels.GeneralizedMatern(df=value), "df"),
    ],
)
def test_unknown_rates_in_a_graph(make, name):
    normal = tfd.MultivariateNormalDiag(tf.zeros(2))

    @tf.function(autograph=False)
    def norm(value):
        return mmd.mean_embedding_norm(normal, make(value))

    with pytest.raises(ValueError, match=f"finite {name} that is known .*{re.escape(name)}=<tf.T"):
        norm(tf.constant(1.5))
    # As a constant of the graph it is known.
    known = tf.function(
        lambda: mmd.mean_embedding_norm(normal, make(tf.constant(1.5))), autograph=False
    )
    np.testing.assert_allclose(known(), mmd.mean_embedding_norm(normal, make(1.5)), rtol=1e-6)


def test_unknown_degrees_of_freedom_in_a_graph():
    kernel = psd_kernels.ExponentiatedQuadratic(length_scale=1.0)

    @tf.function(autograph=False)
    def norm(df):
        return mmd.mean_embedding_norm(tfd.Sample(tfd.StudentT(df, 0.0, 1.0), 2), kernel)

    with pytest.raises(NotImplementedError, match=r"degrees of freedom .* known .* df=<tf.T"):
        norm(tf.constant(5.0))
