"""Mean embeddings against quadrature and Monte Carlo."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd
from tests.mmd.mmd_cases import CASES, SINGLE, SUM, check_gradient, make_kernel

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels
ExponentiatedQuadratic = psd_kernels.ExponentiatedQuadratic

POINTS = np.array([[0.0, 0.0], [0.5, -1.0], [3.0, 0.25], [-2.0, 4.0]])


# A sum asks the same rules for each of its terms: a single kernel for one case of each rule.
@pytest.mark.sampled
@pytest.mark.parametrize(
    ("name", "terms"),
    [
        *((name, SUM) for name in CASES),
        ("ring of 10 MultivariateNormalTriL", SINGLE),
        ("Independent(Uniform)", SINGLE),
        ("OneHotCategorical", SINGLE),
        ("Independent(Bernoulli)", SINGLE),
    ],
)
def test_quadrature_in_two_dimensions(name, terms):
    case = CASES[name]
    embedding, norm = case.quadrature(terms, POINTS)
    # float32 parameters and widths are rounded by 6e-8, which the exponent (below 40) magnifies.
    for dtype, rtol in (("float64", 1e-9), ("float32", 1e-5)):
        distribution, kernel = case.make(dtype), make_kernel(terms, dtype)
        values = mmd.mean_embedding(distribution, kernel, POINTS.astype(dtype))
        assert values.dtype == dtype
        np.testing.assert_allclose(values, embedding, rtol=rtol)
        value = mmd.mean_embedding_norm(distribution, kernel)
        assert value.dtype == dtype
        assert value.shape == []
        np.testing.assert_allclose(value, norm, rtol=rtol)


@pytest.mark.parametrize(
    "kernel",
    [
        psd_kernels.MaternOneHalf(length_scale=np.float64(2.0)),
        psd_kernels.RationalQuadratic(length_scale=np.float64(0.5)) * psd_kernels.Linear(),
        psd_kernels.MaternFiveHalves() + ExponentiatedQuadratic(length_scale=np.float64(0.7)),
    ],
    ids=["single", "product", "sum"],
)
def test_one_hot_vectors_under_other_kernels(kernel):
    probs = np.array([0.5, 0.2, 0.3])
    prior = tfd.OneHotCategorical(probs=probs)
    points = np.random.default_rng(0).dirichlet(np.ones(3), size=4)
    values = np.stack([kernel.apply(points, vertex[np.newaxis]) for vertex in np.eye(3)])
    np.testing.assert_allclose(mmd.mean_embedding(prior, kernel, points), probs @ values, rtol=1e-6)
    pairs = np.stack([kernel.apply(np.eye(3), vertex[np.newaxis]) for vertex in np.eye(3)])
    # The prior's own dtype is int32.
    norm = mmd.mean_embedding_norm(prior, kernel)
    assert norm.dtype == tf.float32
    np.testing.assert_allclose(norm, probs @ pairs @ probs, rtol=1e-6)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("distribution", "density", "low", "high"),
    [
        (tfd.Sample(tfd.Normal(0.5, 1.5), 1), scipy.stats.norm(0.5, 1.5).pdf, -8.5, 9.5),
        (tfd.Sample(tfd.Uniform(-1.0, 2.0), 1), scipy.stats.uniform(-1.0, 3.0).pdf, -1.0, 2.0),
    ],
    ids=["normal", "uniform"],
)
@pytest.mark.parametrize("width", [0.25, 2.0, 50.0])
def test_adaptive_quadrature_in_one_dimension(distribution, density, low, high, width):
    kernel = ExponentiatedQuadratic(length_scale=width)

    def k(x, y):
        return np.exp(-((x - y) ** 2) / (2.0 * width**2))

    def embedding(z):
        return scipy.integrate.quad(
            lambda x: k(z, x) * density(x), low, high, points=[z], epsabs=0.0, epsrel=1e-9
        )[0]

    points = np.array([-0.75, 0.0, 1.5])
    np.testing.assert_allclose(
        mmd.mean_embedding(distribution, kernel, points[:, np.newaxis]),
        [embedding(z) for z in points],
        rtol=1e-6,
    )
    norm = scipy.integrate.fixed_quad(
        lambda nodes: np.array([embedding(z) for z in nodes]) * density(nodes), low, high, n=40
    )[0]
    np.testing.assert_allclose(mmd.mean_embedding_norm(distribution, kernel), norm, rtol=1e-6)


def _monte_carlo(sample, kernel_of_squares, points, num_samples=4_000_000, chunk=250_000):
    """Returns means and standard errors of k(z, X) for all points and of k(X, Y)."""
    counts = np.array([num_samples] * len(points) + [num_samples // 2])
    sums, squares = np.zeros(len(counts)), np.zeros(len(counts))
    for _ in range(num_samples // chunk):
        x = sample(chunk)
        differences = [*(x - z for z in points.astype(np.float32)), x[::2] - x[1::2]]
        for i, difference in enumerate(differences):
            values = kernel_of_squares(np.einsum("nd,nd->n", difference, difference))
            sums[i] += values.sum(dtype=np.float64)
            squares[i] += np.sum(values**2, dtype=np.float64)
    means = sums / counts
    return means, np.sqrt((squares / counts - means**2) / counts)


@pytest.mark.slow
@pytest.mark.parametrize("num_components", [1, 10])
def test_monte_carlo_in_eight_dimensions(num_components):
    rng = np.random.default_rng(num_components)
    locs = 1.5 * rng.normal(size=(num_components, 8))
    scales = np.tril(rng.normal(size=(num_components, 8, 8)))
    scales[:, np.arange(8), np.arange(8)] = rng.uniform(0.3, 1.5, size=(num_components, 8))
    weights = rng.dirichlet(np.full(num_components, 3.0))

    def sample(n):
        counts = rng.multinomial(n, weights)
        draws = [
            loc + rng.standard_normal((count, 8), dtype=np.float32) @ scale.T
            for loc, scale, count in zip(
                locs.astype(np.float32), scales.astype(np.float32), counts, strict=True
            )
        ]
        return rng.permutation(np.concatenate(draws))

    components = tfd.MultivariateNormalTriL(locs, scales)
    distribution = (
        tfd.MultivariateNormalTriL(locs[0], scales[0])
        if num_components == 1
        else tfd.MixtureSameFamily(tfd.Categorical(probs=weights), components)
    )
    kernel = ExponentiatedQuadratic(np.float64(0.7), np.float64(3.0)) + ExponentiatedQuadratic(
        length_scale=np.float64(1.5)
    )
    points = np.stack([np.zeros(8), locs[0], sample(1)[0]])
    means, errors = _monte_carlo(
        sample, lambda d: 0.49 * np.exp(-d / 18.0) + np.exp(-d / 4.5), points
    )
    values = [
        *mmd.mean_embedding(distribution, kernel, points).numpy(),
        mmd.mean_embedding_norm(distribution, kernel).numpy(),
    ]
    np.testing.assert_array_less(np.abs(values - means), 5.0 * errors)
    # The errors are small enough for the comparison to mean something.
    np.testing.assert_array_less(errors, 0.01 * means)


@pytest.mark.thorough
@pytest.mark.parametrize("jit_compile", [False, True])
def test_graph_equals_eager(jit_compile):
    names = [
        "ring of 10 MultivariateNormalTriL",
        "Independent(Uniform)",
        "mixture of mixtures",
        "OneHotCategorical",
        "mixture of Independent(Bernoulli)",
    ]
    distributions = [CASES[name].make("float32") for name in names]
    kernel, points = make_kernel(SUM, "float32"), tf.constant(POINTS, tf.float32)

    @tf.function(jit_compile=jit_compile, autograph=False)
    def values(z):
        return [mmd.mean_embedding(distribution, kernel, z) for distribution in distributions]

    for name, value, distribution in zip(names, values(points), distributions, strict=True):
        expected = mmd.mean_embedding(distribution, kernel, points)
        np.testing.assert_allclose(value, expected, rtol=2e-6, err_msg=name)


@pytest.mark.sampled
@pytest.mark.parametrize("name", CASES)
def test_gradient_equals_differences(name):
    distribution, kernel = CASES[name].make("float64"), make_kernel(SUM)
    check_gradient(lambda z: tf.reduce_sum(mmd.mean_embedding(distribution, kernel, z)), POINTS)


@pytest.mark.thorough
@pytest.mark.parametrize("jit_compile", [False, True])
def test_box_gradient_is_finite_at_any_distance(jit_compile):
    box = tfd.Sample(tfd.Uniform(-1.0, 1.0), 128)
    kernel = ExponentiatedQuadratic(length_scale=0.1)
    points = tf.constant([[0.0], [1.0], [-1.1], [3.0], [-1e3]]) * tf.ones([1, 128])

    @tf.function(jit_compile=jit_compile, autograph=False)
    def gradient(z):
        with tf.GradientTape() as tape:
            tape.watch(z)
            total = tf.reduce_sum(mmd.mean_embedding(box, kernel, z))
        return tape.gradient(total, z)

    assert np.isfinite(gradient(points)).all()


def test_bits_far_away_have_a_finite_gradient():
    bits = tfd.Independent(tfd.Bernoulli(probs=np.tile([0.0, 0.5, 1.0], 40)), 1)
    kernel = ExponentiatedQuadratic(length_scale=0.1)
    points = tf.constant([[0.0], [1.0], [-1.1], [3.0], [-1e3]]) * tf.ones([1, 120])
    _, gradient = tfp.math.value_and_gradient(
        lambda z: tf.reduce_sum(mmd.mean_embedding(bits, kernel, z)), points
    )
    assert np.isfinite(gradient).all()


def test_box_tail_keeps_its_digits():
    # Fifteen widths above the box the difference of two erf is 0 - 0, and its logarithm -inf.
    box = tfd.Sample(tfd.Uniform(-1.0, 1.0), 1)
    kernel = ExponentiatedQuadratic(length_scale=np.float64(0.1))
    expected = np.sqrt(2.0 * np.pi) * 0.1 / 2.0 * scipy.stats.norm.sf(15.0)
    np.testing.assert_allclose(
        mmd.mean_embedding(box, kernel, np.array([[2.5]])), [expected], rtol=1e-6
    )


def test_narrow_kernel_far_from_the_origin():
    # |z - m| / width is 1 to 3, while |z| / width is 1e4: a float32 product would be noise.
    loc = np.full(8, 100.0, np.float32)
    points = loc + np.float32(0.01) * np.random.default_rng(0).normal(size=(5, 8)).astype("f4")
    distribution = tfd.MultivariateNormalDiag(loc, np.full(8, 0.01, np.float32))
    values = mmd.mean_embedding(distribution, ExponentiatedQuadratic(length_scale=0.01), points)
    exact = ((points.astype("f8") - 100.0) ** 2).sum(axis=1)
    np.testing.assert_allclose(values, 2.0**-4 * np.exp(-exact / (4.0 * 0.01**2)), rtol=1e-5)
