"""Every rule of the package in the plane, against quadrature; batches, graphs and gradients."""

import functools

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd
from aae_tf.mmd import registry
from tests.mmd.mmd_cases import (
    CASES,
    COVARIANCE,
    LOC,
    NESTED_LOCS,
    SUM,
    check_gradient,
    gaussian_density,
    make_kernel,
)
from tests.mmd.oracles import (
    embedding_by_polar,
    embedding_in_plane,
    embedding_on_line,
    norm_by_polar,
    norm_in_plane,
    norm_on_line,
)
from tests.mmd.rule_cases import KERNELS, LAWS

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels

LOCS, SCALES = np.array([0.3, -0.5]), np.array([0.9, 1.4])
POINTS = np.array([[0.3, -0.5], [0.9, 1.0], [-2.0, 0.25]])
TOLERANCES = {"float64": 1e-6, "float32": 1e-5}
RADIAL = ["RationalQuadratic", "MaternOneHalf", "MaternThreeHalves", "MaternFiveHalves"]


def _vector(family, dtype="float64"):
    return tfd.Independent(LAWS[family][0](LOCS.astype(dtype), SCALES.astype(dtype)), 1)


@functools.cache
def _laws(family):
    return tuple(LAWS[family][1](loc, scale) for loc, scale in zip(LOCS, SCALES, strict=True))


def _check(make, kernel, embedding, norm):
    for dtype, rtol in TOLERANCES.items():
        distribution, k = make(dtype), kernel(dtype)
        values = mmd.mean_embedding(distribution, k, POINTS.astype(dtype))
        assert values.dtype == dtype
        np.testing.assert_allclose(values, embedding, rtol=rtol)
        np.testing.assert_allclose(mmd.mean_embedding_norm(distribution, k), norm, rtol=rtol)


@pytest.mark.sampled
@pytest.mark.parametrize("family", LAWS)
@pytest.mark.parametrize("name", [*RADIAL, "ExponentiatedQuadratic"])
def test_independent_coordinates(family, name):
    make, function = KERNELS[name]
    laws = _laws(family)
    embedding, norm = embedding_in_plane(laws, function, POINTS), norm_in_plane(laws, function)
    _check(lambda dtype: _vector(family, dtype), make, embedding, norm)


@pytest.mark.sampled
@pytest.mark.parametrize("family", LAWS)
@pytest.mark.parametrize("name", ["MaternOneHalf", "MaternThreeHalves", "RationalQuadratic", "sum"])
def test_products_over_coordinates(family, name):
    make, function = KERNELS[name]
    laws = _laws(family)
    factors = [embedding_on_line(law, function, POINTS[:, j]) for j, law in enumerate(laws)]
    norms = [norm_on_line(law, law, function) for law in laws]
    _check(
        lambda dtype: _vector(family, dtype),
        lambda dtype: mmd.CoordinateProduct(make(dtype)),
        np.prod(factors, axis=0),
        np.prod(norms),
    )


@pytest.mark.parametrize("family", LAWS)
def test_mixtures_of_independent_coordinates(family):
    # The components are a batch, and the norm has pairs of different members.
    make, function = KERNELS["MaternThreeHalves"]
    locs, scales = np.array([[0.3, -0.5], [1.0, 0.0]]), np.array([[0.9, 1.4], [0.5, 0.9]])
    weights = np.array([0.3, 0.7])
    laws = [
        [LAWS[family][1](loc, scale) for loc, scale in zip(*rows, strict=True)]
        for rows in zip(locs, scales, strict=True)
    ]
    embedding = sum(
        w
        * np.prod([embedding_on_line(law, function, POINTS[:, j]) for j, law in enumerate(row)], 0)
        for w, row in zip(weights, laws, strict=True)
    )
    norm = sum(
        v * w * np.prod([norm_on_line(a, b, function) for a, b in zip(first, second, strict=True)])
        for v, first in zip(weights, laws, strict=True)
        for w, second in zip(weights, laws, strict=True)
    )
    _check(
        lambda dtype: tfd.MixtureSameFamily(
            tfd.Categorical(probs=weights.astype(dtype)),
            tfd.Independent(LAWS[family][0](locs.astype(dtype), scales.astype(dtype)), 1),
        ),
        lambda dtype: mmd.CoordinateProduct(make(dtype)),
        embedding,
        norm,
    )


# Weights, means and covariances.
GAUSSIANS = {
    "MultivariateNormalTriL": ([1.0], [LOC], [COVARIANCE]),
    "mixture of Independent(Normal)": (
        [0.25, 0.75],
        [[-1.0, 0.0], [2.0, 1.0]],
        [0.25 * np.eye(2)] * 2,
    ),
    "mixture of equal mixtures of mixtures": (
        [0.05, 0.2, 0.15, 0.6],
        NESTED_LOCS.reshape(4, 2),
        [0.25 * np.eye(2)] * 4,
    ),
}


@pytest.mark.sampled
@pytest.mark.parametrize("name", RADIAL)
@pytest.mark.parametrize("case", GAUSSIANS)
def test_gaussians_and_their_mixtures(case, name):
    make, function = KERNELS[name]
    parts = list(zip(*map(np.asarray, GAUSSIANS[case]), strict=True))

    def difference(points):
        return sum(
            v * w * gaussian_density(a - b, c + d)(points) for v, a, c in parts for w, b, d in parts
        )

    _check(
        CASES[case].make,
        make,
        embedding_by_polar(CASES[case].density, function, POINTS),
        embedding_by_polar(difference, function, np.zeros((1, 2)))[0],
    )


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["ExponentiatedQuadratic", *RADIAL])
def test_multivariate_student_t(name):
    make, function = KERNELS[name]
    # The scale is not diagonal; the distribution is round.
    rotation = np.array([[0.6, -0.8], [0.8, 0.6]])

    def student(dtype):
        return tfd.MultivariateStudentTLinearOperator(
            np.array(5.0, dtype),
            LOCS.astype(dtype),
            tf.linalg.LinearOperatorFullMatrix((0.9 * rotation).astype(dtype)),
        )

    law = scipy.stats.multivariate_t(LOCS, 0.81 * np.eye(2), df=5.0)
    embedding = embedding_by_polar(law.pdf, function, POINTS)
    norm = norm_by_polar(
        lambda r: law.pdf(LOCS + r[:, None] * [1.0, 0.0]),
        lambda r: embedding_by_polar(law.pdf, function, LOCS + r[:, None] * [1.0, 0.0]),
    )
    _check(student, make, embedding, norm)


def test_batch_of_student_t_with_different_degrees_of_freedom():
    df, weights = np.array([3.0, 60.0]), np.array([0.4, 0.6])
    scale = np.broadcast_to(np.array([[1.0, 0.0], [0.5, 0.8]]), (2, 2, 2))
    mixture = tfd.MixtureSameFamily(
        tfd.Categorical(probs=weights),
        tfd.MultivariateStudentTLinearOperator(
            df, np.array([LOCS, -LOCS]), tf.linalg.LinearOperatorLowerTriangular(scale)
        ),
    )
    make, function = KERNELS["MaternThreeHalves"]

    def density(x):
        shape = scale[0] @ scale[0].T
        return sum(
            w * scipy.stats.multivariate_t(loc, shape, df=d).pdf(x)
            for w, loc, d in zip(weights, (LOCS, -LOCS), df, strict=True)
        )

    np.testing.assert_allclose(
        mmd.mean_embedding(mixture, make("float64"), POINTS),
        embedding_by_polar(density, function, POINTS),
        rtol=1e-6,
    )


def test_bits_and_points_under_products_over_coordinates():
    kernel = mmd.CoordinateProduct(KERNELS["MaternOneHalf"][0]("float64"))
    support = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    bits = tfd.Independent(tfd.Bernoulli(probs=np.array([0.2, 0.5])), 1)
    point = tfd.Independent(tfd.Deterministic(LOCS), 1)
    for vector, rows, probs in (
        (bits, support, np.array([0.4, 0.4, 0.1, 0.1])),
        (point, LOCS[None], np.ones(1)),
        (tfd.Empirical(support, event_ndims=1), support, np.full(4, 0.25)),
    ):
        # k(x, y) = a^(2 d) exp(-|x - y|_1 / w).
        def k(x, y):
            return 1.1**4 * np.exp(-np.abs(x[:, None] - y).sum(axis=-1) / 0.7)

        values = mmd.mean_embedding(vector, kernel, POINTS)
        # Bits are seen by an average of Gaussian kernels, off by 1e-8 of k(x, x) at most.
        np.testing.assert_allclose(values, k(POINTS, rows) @ probs, rtol=1e-6)
        norm = mmd.mean_embedding_norm(vector, kernel)
        np.testing.assert_allclose(norm, probs @ k(rows, rows) @ probs, rtol=1e-6)


@pytest.mark.parametrize("family", LAWS)
def test_linear_kernel_sees_the_mean(family):
    kernel = psd_kernels.Linear(
        bias_amplitude=np.float64(0.5), slope_amplitude=np.float64(2.0), shift=np.float64(0.25)
    )
    mean = LOCS if family != "Uniform" else LOCS + SCALES / 2.0
    for vector in (_vector(family), tfd.Blockwise([_vector(family)])):
        values = mmd.mean_embedding(vector, kernel, POINTS)
        np.testing.assert_allclose(values, 0.25 + 4.0 * (POINTS - 0.25) @ (mean - 0.25))
        norm = mmd.mean_embedding_norm(vector, kernel)
        np.testing.assert_allclose(norm, 0.25 + 4.0 * np.sum((mean - 0.25) ** 2))


def test_cases_use_every_rule_of_the_package(monkeypatch):
    used = set()
    for pair, rule in list(registry._RULES.items()):
        if not rule.__module__.startswith("aae_tf.mmd.rules"):
            continue

        def record(distribution, kernel, pair=pair, rule=rule):
            used.add(pair)
            return rule(distribution, kernel)

        monkeypatch.setitem(registry._RULES, pair, record)
    recorded = {pair for pair, rule in registry._RULES.items() if rule.__name__ == "record"}
    blocks = tfd.Blockwise([tfd.Normal(0.0, 1.0), tfd.Laplace(0.0, 1.0)])
    gaussian = psd_kernels.ExponentiatedQuadratic()
    matern = psd_kernels.MaternOneHalf()
    # Those of this file, of `mmd_cases`, and of test_block_product, test_fourier_features,
    # test_radial_kernels.
    pairs = [(case.make("float64"), make_kernel(SUM)) for case in CASES.values()]
    kernels = [make("float64") for make, _ in KERNELS.values()]
    kernels += [
        mmd.Energy(),
        mmd.SlicedGaussian(1.0),
        mmd.CoordinateProduct(matern),
        mmd.FourierFeatures(gaussian, 2, 4),
        psd_kernels.Linear(),
    ]
    vectors = [*map(_vector, LAWS), CASES["MultivariateNormalTriL"].make("float64")]
    vectors += [tfd.SphericalUniform(2), tfd.VonMisesFisher(np.array([0.6, 0.8]), np.float64(1.0))]
    vectors.append(CASES["affine image of Sample(Normal)"].make("float64"))
    vectors += [
        tfd.Sample(tfd.Bernoulli(probs=0.5), 2),
        tfd.Empirical(POINTS, event_ndims=1),
    ]
    vectors += [
        tfd.Sample(tfd.Deterministic(0.5), 2),
        CASES["MultivariateNormalDiag"].make("float64"),
    ]
    vectors += [
        tfd.MultivariateStudentTLinearOperator(
            5.0, [0.0, 1.0], tf.linalg.LinearOperatorLowerTriangular([[1.0, 0.0], [0.5, 1.0]])
        ),
        blocks,
    ]
    pairs += [(vectors[0], kernel) for kernel in kernels]
    # Rules of a distribution and a kernel; those of any distribution were used above.
    kernels = [kernels[0], *kernels[-3:]]
    pairs += [(vector, kernel) for vector in vectors[1:] for kernel in kernels]
    pairs += [(blocks, mmd.BlockProduct([matern, gaussian], [1, 1]))]
    copies = tfd.BatchBroadcast(tfd.MultivariateNormalDiag([0.0, 0.0]), [3])
    pairs += [(tfd.MixtureSameFamily(tfd.Categorical(probs=[0.2, 0.3, 0.5]), copies), gaussian)]
    # Those of test_quantile_laws, where many widths would take seconds.
    laws = [tfd.Logistic(0.0, 1.0), tfd.Gumbel(0.0, 1.0), tfd.LogNormal(0.0, 1.0)]
    laws += [tfd.Weibull(1.5, 1.0)]
    laws += [tfd.HalfNormal(1.0), tfd.Exponential(1.0), tfd.TruncatedNormal(0.0, 1.0, -1.0, 1.0)]
    few = (gaussian, mmd.CoordinateProduct(gaussian), mmd.FourierFeatures(gaussian, 2, 4))
    pairs += [(tfd.Sample(law, 2), kernel) for law in laws for kernel in few]
    for distribution, kernel in pairs:
        mmd.has_mean_embedding(distribution, kernel)
    assert used == recorded
    assert len(recorded) > 40


# XLA on the exact form of normals is a test of `test_matern_average`.
@pytest.mark.sampled
@pytest.mark.parametrize(
    ("family", "name", "jit_compile"),
    [
        ("Laplace", "MaternThreeHalves", True),
        ("StudentT", "RationalQuadratic", True),
        ("Normal", "MaternFiveHalves", False),
    ],
)
def test_graph_equals_eager(family, name, jit_compile):
    vector, kernel = _vector(family, "float32"), mmd.CoordinateProduct(KERNELS[name][0]("float32"))
    points = tf.constant(POINTS, tf.float32)
    compiled = tf.function(
        lambda z: tfp.math.value_and_gradient(
            lambda z: tf.reduce_sum(mmd.squared_mmd(z, vector, kernel)), z
        ),
        jit_compile=jit_compile,
        autograph=False,
    )
    value, gradient = compiled(points)
    expected, slopes = compiled.python_function(points)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-4, atol=1e-6)


def test_gradients_reach_variables_of_prior_and_kernel():
    loc, width = tf.Variable(np.array([0.5, -0.5])), tf.Variable(np.float64(1.5))

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            vector = tfd.Independent(tfd.Laplace(loc, tf.constant(0.8, tf.float64)), 1)
            kernel = psd_kernels.RationalQuadratic(
                length_scale=width, scale_mixture_rate=np.float64(1.0)
            )
            value = mmd.squared_mmd(tf.constant(POINTS), vector, kernel)
        return value, tape.gradient(value, [loc, width])

    value, gradients = step()
    assert all(np.abs(g).max() > 1e-3 for g in gradients)
    width.assign_add(1e-6)
    slope = (step()[0] - value) / 1e-6
    np.testing.assert_allclose(slope, gradients[1], rtol=1e-4)


def test_gradient_of_a_radial_kernel_equals_differences():
    kernel = KERNELS["RationalQuadratic"][0]("float64") + KERNELS["MaternThreeHalves"][0]("float64")
    ring = CASES["ring of 10 MultivariateNormalTriL"].make("float64")
    check_gradient(
        lambda z: tf.reduce_sum(mmd.mean_embedding(ring, kernel, z)), POINTS, traced=True
    )
