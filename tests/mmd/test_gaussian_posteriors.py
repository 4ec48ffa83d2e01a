"""The MMD^2 of integrated Gaussians against quadrature, draws and sums by hand."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd
from tests.mmd.mmd_cases import CASES, SUM, check_gradient, gaussian_density, make_kernel

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels
ExponentiatedQuadratic = psd_kernels.ExponentiatedQuadratic

GAUSSIAN_CASES = [
    "MultivariateNormalTriL",
    "MultivariateNormalLinearOperator",
    "MultivariateNormalDiag",
    "Independent(Normal)",
    "Sample(Normal)",
    "Independent of a vector",
    "Sample of a vector",
    "ring of 10 MultivariateNormalTriL",
    "mixture of Independent(Normal)",
    "mixture of Sample(Normal)",
    "mixture of mixtures",
    "mixture of equal mixtures of mixtures",
]
RING = CASES["ring of 10 MultivariateNormalTriL"].make("float64")
DIAGONAL = CASES["mixture of Independent(Normal)"].make("float64")
KERNEL = make_kernel(SUM)
MEANS = np.random.default_rng(0).normal(size=(5, 2))
VARIANCES = np.random.default_rng(1).uniform(0.1, 1.0, size=(5, 2))
WEIGHTS = np.array([0.3, 1.0, 0.0, 2.0, 0.7])


def expected_kernel(mean, variance):
    """E k(D), D ~ N(mean, diag(variance)), by a grid on each axis."""
    total = 0.0
    for amplitude, width in SUM:
        product = amplitude**2
        for m, v in zip(mean, variance, strict=True):
            nodes = np.linspace(-8.0, 8.0, 200)
            density = np.exp(-(nodes**2) / 2.0)
            values = np.exp(-((m + np.sqrt(v) * nodes) ** 2) / (2.0 * width**2))
            product *= np.average(values, weights=density)
        total += product
    return total


def by_quadrature(case, estimator, weights):
    """The estimate where expectations are sums over grids, and mu an integral of a density."""
    axis = np.linspace(-7.0, 7.0, 32)
    nodes = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    density = np.exp(-np.sum(nodes**2, axis=1) / 2.0)
    points = MEANS[:, np.newaxis] + np.sqrt(VARIANCES)[:, np.newaxis] * nodes
    mu, norm = case.quadrature(SUM, points.reshape(-1, 2))
    mu = np.average(mu.reshape(len(MEANS), -1), weights=density, axis=1)

    count = len(MEANS)
    if estimator == "linear":
        pairs = [(i, i + 1) for i in range(0, count - 1, 2)]
    else:
        pairs = [(i, j) for i in range(count) for j in range(count)]
        pairs = [(i, j) for i, j in pairs if i != j or estimator == "biased"]
    within = np.average(
        [expected_kernel(MEANS[i] - MEANS[j], VARIANCES[i] + VARIANCES[j]) for i, j in pairs],
        weights=[weights[i] * weights[j] for i, j in pairs],
    )
    return norm - 2.0 * np.average(mu, weights=weights) + within


@pytest.mark.sampled
@pytest.mark.parametrize("name", GAUSSIAN_CASES)
def test_every_kind_of_prior_by_quadrature(name):
    value = mmd.squared_mmd_of_gaussians(MEANS, VARIANCES, CASES[name].make("float64"), KERNEL)
    np.testing.assert_allclose(
        value, by_quadrature(CASES[name], "unbiased", np.ones(5)), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("estimator", ["unbiased", "biased", "linear"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
def test_every_estimator_by_quadrature(estimator, weights):
    value = mmd.squared_mmd_of_gaussians(MEANS, VARIANCES, RING, KERNEL, estimator, weights)
    used = np.ones(5) if weights is None else weights
    expected = by_quadrature(CASES["ring of 10 MultivariateNormalTriL"], estimator, used)
    np.testing.assert_allclose(value, expected, rtol=1e-9)


def test_biased_is_the_integral_of_the_squared_difference_in_one_dimension():
    # MMD^2 = integral of (q - p)(x) k(x, y) (q - p)(y), on a grid.
    means, variances = np.array([[-1.0], [0.5], [2.0]]), np.array([[0.3], [0.0625], [1.0]])
    prior = tfd.MultivariateNormalDiag(np.array([0.25]), np.array([1.2]))
    x = np.linspace(-12.0, 12.0, 1601)
    q = np.mean([gaussian_density(m, v)(x) for m, v in zip(means, variances, strict=True)], axis=0)
    difference = (q - gaussian_density(0.25, 1.44)(x)) * (x[1] - x[0])
    kernel = ExponentiatedQuadratic(np.float64(1.5), np.float64(0.6))
    values = 2.25 * np.exp(-((x[:, np.newaxis] - x) ** 2) / 0.72)
    estimate = mmd.squared_mmd_of_gaussians(means, variances, prior, kernel, "biased")
    np.testing.assert_allclose(estimate, difference @ values @ difference, rtol=1e-9)


@pytest.mark.parametrize("estimator", ["unbiased", "linear"])
def test_it_is_the_mean_over_codes_of_the_estimate_from_codes(estimator):
    rng, dimension, count, repetitions = np.random.default_rng(3), 8, 7, 1500
    scales = np.linalg.cholesky(np.eye(dimension) + 0.3 * np.ones([3, dimension, dimension]))
    prior = tfd.MixtureSameFamily(
        tfd.Categorical(probs=np.array([0.2, 0.5, 0.3])),
        tfd.MultivariateNormalTriL(rng.normal(size=(3, dimension)), scales),
    )
    kernel = mmd.default_kernel(prior)
    means = rng.normal(size=(count, dimension))
    variances = rng.uniform(0.0, 1.0, size=(count, dimension))
    weights = rng.uniform(size=count)

    @tf.function(autograph=False)
    def estimates(codes):
        return tf.map_fn(lambda one: mmd.squared_mmd(one, prior, kernel, estimator, weights), codes)

    noise = rng.normal(size=(repetitions, count, dimension))
    draws = estimates(means + np.sqrt(variances) * noise).numpy()
    value = mmd.squared_mmd_of_gaussians(means, variances, prior, kernel, estimator, weights)
    error = draws.std() / np.sqrt(repetitions)
    assert abs(value - draws.mean()) < 5.0 * error
    # The noise of the codes is much larger than what this test can see.
    assert error < 0.05 * abs(value)


@pytest.mark.parametrize("estimator", ["unbiased", "biased", "linear"])
@pytest.mark.parametrize("prior", [RING, DIAGONAL], ids=["full", "diagonal"])
def test_variances_of_zero_make_it_the_estimate_from_codes(estimator, prior):
    value = mmd.squared_mmd_of_gaussians(
        MEANS, np.zeros_like(MEANS), prior, KERNEL, estimator, WEIGHTS
    )
    expected = mmd.squared_mmd(MEANS, prior, KERNEL, estimator, WEIGHTS)
    np.testing.assert_allclose(value, expected, rtol=1e-9)


def test_the_prior_s_own_components_leave_nothing():
    components = tfd.MultivariateNormalDiag(MEANS, np.sqrt(VARIANCES))
    probs = WEIGHTS / WEIGHTS.sum()
    prior = tfd.MixtureSameFamily(tfd.Categorical(probs=probs), components)
    value = mmd.squared_mmd_of_gaussians(MEANS, VARIANCES, prior, KERNEL, "biased", WEIGHTS)
    np.testing.assert_allclose(value, 0.0, atol=1e-14)
    other = mmd.squared_mmd_of_gaussians(MEANS, 2.0 * VARIANCES, prior, KERNEL, "biased", WEIGHTS)
    assert float(other) > 1e-3


def test_biased_weights_equal_repeated_gaussians():
    counts = np.array([2, 0, 1, 3, 1])
    repeated = (np.repeat(values, counts, axis=0) for values in (MEANS, VARIANCES))
    np.testing.assert_allclose(
        mmd.squared_mmd_of_gaussians(MEANS, VARIANCES, RING, KERNEL, "biased", counts),
        mmd.squared_mmd_of_gaussians(*repeated, RING, KERNEL, "biased"),
        rtol=1e-9,
    )


@pytest.mark.parametrize(
    ("estimator", "weights"),
    [
        ("unbiased", np.zeros(5)),
        ("biased", np.zeros(5)),
        ("unbiased", np.eye(5)[4]),
        ("linear", np.eye(5)[4]),
    ],
)
def test_nothing_to_average_over_gives_zero(estimator, weights):
    value, gradients = tfp.math.value_and_gradient(
        lambda m, v: mmd.squared_mmd_of_gaussians(m, v, RING, KERNEL, estimator, weights),
        (tf.constant(MEANS), tf.constant(VARIANCES)),
    )
    assert float(value) == 0.0
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, np.zeros_like(MEANS))


@pytest.mark.parametrize("estimator", ["unbiased", "biased", "linear"])
@pytest.mark.parametrize("prior", [RING, DIAGONAL], ids=["full", "diagonal"])
def test_gradient_equals_differences(estimator, prior):
    check_gradient(
        lambda m, v: mmd.squared_mmd_of_gaussians(m, v, prior, KERNEL, estimator, WEIGHTS),
        MEANS,
        VARIANCES,
    )


def test_gradient_reaches_the_parameters_of_the_prior():
    check_gradient(
        lambda loc, scale: mmd.squared_mmd_of_gaussians(
            MEANS, VARIANCES, tfd.MultivariateNormalDiag(loc, scale), KERNEL
        ),
        np.array([0.3, -0.4]),
        np.array([0.5, 1.5]),
        traced=True,
    )


@pytest.mark.thorough
@pytest.mark.parametrize(("dtype", "jit_compile"), [("float64", False), ("float32", True)])
def test_finite_in_128_dimensions_and_at_coincident_gaussians(dtype, jit_compile):
    rng = np.random.default_rng(0)
    locs = rng.normal(size=(3, 128)).astype(dtype)
    prior = tfd.MixtureSameFamily(
        tfd.Categorical(probs=np.full(3, 1 / 3, dtype)),
        tfd.MultivariateNormalDiag(locs, np.full_like(locs, 0.5)),
    )
    kernel = mmd.default_kernel(prior, [0.1])
    kernel += ExponentiatedQuadratic(length_scale=np.array(1e-3, dtype))

    @tf.function(jit_compile=jit_compile, autograph=False)
    def values_and_gradients(means, variances):
        def both_estimators(means, variances):
            return tf.add_n(
                [
                    mmd.squared_mmd_of_gaussians(means, variances, prior, kernel, estimator)
                    for estimator in ("unbiased", "linear")
                ]
            )

        return tfp.math.value_and_gradient(both_estimators, (means, variances))

    samples = prior.sample(4, seed=[0, 1]).numpy()
    for means in (np.repeat(locs[:1], 4, axis=0), samples, 1e3 * samples):
        for variance in (0.0, 1e-4, 1.0, 1e4):
            value, gradients = values_and_gradients(means, np.full_like(means, variance))
            assert value.dtype == dtype
            assert np.isfinite(value)
            assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_full_covariances_in_64_dimensions():
    rng = np.random.default_rng(0)
    scale = np.linalg.cholesky(np.eye(64) + 0.5)
    means = rng.normal(size=(3, 64))
    kernel = mmd.default_kernel(tfd.MultivariateNormalTriL(np.zeros(64), scale))
    # In the axes of the covariance it is diagonal, and so are equal variances.
    values, axes = np.linalg.eigh(scale @ scale.T)
    variances = np.full([3, 64], 0.25)
    value, gradients = tfp.math.value_and_gradient(
        lambda m, v: mmd.squared_mmd_of_gaussians(
            m, v, tfd.MultivariateNormalTriL(np.zeros(64), scale), kernel
        ),
        (tf.constant(means), tf.constant(variances)),
    )
    turned = tfd.MultivariateNormalDiag(np.zeros(64), np.sqrt(values))
    expected = mmd.squared_mmd_of_gaussians(means @ axes, variances, turned, kernel)
    np.testing.assert_allclose(value, expected, rtol=1e-8)
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "dtype", "jit_compile"),
    [
        ("ring of 10 MultivariateNormalTriL", "float32", True),
        ("mixture of mixtures", "float64", False),
    ],
)
def test_eager_graph_and_xla_agree_at_any_batch_size(name, dtype, jit_compile):
    prior, kernel = CASES[name].make(dtype), make_kernel(SUM, dtype)
    means, variances = tf.constant(MEANS, dtype), tf.constant(VARIANCES, dtype)

    def value_and_gradients(means, variances):
        return tfp.math.value_and_gradient(
            lambda m, v: mmd.squared_mmd_of_gaussians(m, v, prior, kernel), (means, variances)
        )

    value, gradients = value_and_gradients(means, variances)
    assert value.dtype == dtype
    exact = mmd.squared_mmd_of_gaussians(MEANS, VARIANCES, CASES[name].make("float64"), KERNEL)
    tolerance = 2e-6 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(value, exact, atol=tolerance)
    traced = tf.function(
        value_and_gradients,
        input_signature=[tf.TensorSpec([None, 2], dtype)] * 2,
        jit_compile=jit_compile,
        autograph=False,
    )
    other, others = traced(means, variances)
    np.testing.assert_allclose(other, value, atol=tolerance)
    for one, two in zip(gradients, others, strict=True):
        np.testing.assert_allclose(one, two, atol=tolerance)
    # What a last batch of one cannot estimate counts as zero.
    assert float(traced(means[:1], variances[:1])[0]) == 0.0


@pytest.mark.parametrize(
    ("prior", "kernel", "message"),
    [
        (CASES["Sample(Uniform)"].make("float64"), KERNEL, "distribution=<.*Sample.*kernel=<.*Sum"),
        (CASES["mixture of boxes"].make("float64"), KERNEL, "distribution=<.*MixtureSameFamily"),
        (CASES["VectorDeterministic"].make("float64"), KERNEL, "VectorDeterministic"),
        (DIAGONAL, psd_kernels.MaternOneHalf(np.float64(1.0)), "kernel=<.*MaternOneHalf"),
        (DIAGONAL, KERNEL + psd_kernels.MaternOneHalf(np.float64(1.0)), "kernel=<.*Sum"),
        (
            tfd.Independent(
                tfd.MixtureSameFamily(
                    tfd.Categorical(probs=np.full(2, 0.5)), tfd.Normal(np.zeros([2, 2]), 1.0)
                ),
                1,
            ),
            KERNEL,
            "distribution=<.*Independent",
        ),
    ],
)
def test_what_has_no_closed_form_is_named(prior, kernel, message):
    with pytest.raises(NotImplementedError, match=f"`distribution` to be a Gaussian.*{message}"):
        mmd.squared_mmd_of_gaussians(MEANS, VARIANCES, prior, kernel)


@pytest.mark.parametrize(
    ("variances", "error", "message"),
    [
        (VARIANCES.astype("float32"), TypeError, "means.dtype=float64, variances.dtype=float32"),
        (VARIANCES[:4], ValueError, r"means.shape=\(5, 2\), variances.shape=\(4, 2\)"),
        (VARIANCES - 0.5, ValueError, "`variances` to be zero or more. Received: variances with 5"),
        (VARIANCES * np.nan, ValueError, "variances with 10 NaN"),
    ],
)
def test_bad_variances_are_named(variances, error, message):
    with pytest.raises(error, match=message):
        mmd.squared_mmd_of_gaussians(MEANS, variances, RING, KERNEL)
