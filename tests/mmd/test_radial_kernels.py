"""The energy distance and the sliced Gaussian kernel: expansions, mean embeddings, gradients."""

import itertools

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import divergences, mmd, priors
from aae_tf.mmd.integrals import beta_quadrature, expand_energy

tfd = tfp.distributions

CENTRE, SCALE = 0.3, 1.7


@pytest.mark.parametrize("exponent", [0.1, 0.5, 1.0, 1.5, 1.9])
def test_expansion_keeps_its_bound(exponent):
    expansion = expand_energy(exponent)
    r = np.geomspace(1e-4, 100.0, 5000)[:, np.newaxis]
    terms = expansion.weights * -np.expm1(-0.5 * expansion.precisions * r**2)
    values = expansion.constant + expansion.curvature * r[:, 0] ** 2 + terms.sum(axis=1)
    # At r = 100, what the lowest nodes leave out comes to the 3e-7 of the trapezoidal rule.
    error = np.abs(values / r[:, 0] ** exponent - 1.0)
    assert error[r[:, 0] < 30.0].max() < 3e-7
    assert error.max() < 1e-6


def _distance_to_isotropic(squared_distance, variance, dim):
    """E |delta + sqrt(variance) e|, e standard normal in `dim` dimensions."""
    ratio = np.exp(scipy.special.gammaln((dim + 1) / 2) - scipy.special.gammaln(dim / 2))
    kummer = scipy.special.hyp1f1(-0.5, dim / 2, -squared_distance / (2.0 * variance))
    return np.sqrt(2.0 * variance) * ratio * kummer


@pytest.mark.sampled
@pytest.mark.parametrize("dim", [1, 2, 8, 64])
def test_isotropic_gaussians_have_kummers_function(dim):
    prior = tfd.MultivariateNormalDiag(np.full(dim, CENTRE), np.full(dim, SCALE))
    directions = np.random.default_rng(0).normal(size=(6, dim)) / dim**0.5
    points = CENTRE + directions * np.array([[0.0], [0.01], [1.0], [5.0], [30.0], [100.0]])
    expected = -_distance_to_isotropic(((points - CENTRE) ** 2).sum(axis=1), SCALE**2, dim)
    kernel = mmd.Energy()
    in_graph = tf.function(lambda points: mmd.mean_embedding(prior, kernel, points))
    for values in (mmd.mean_embedding(prior, kernel, points), in_graph(tf.constant(points))):
        np.testing.assert_allclose(values, expected, rtol=5e-7)
    single = in_graph(tf.constant(points, tf.float32))
    np.testing.assert_allclose(single, expected, rtol=2e-6)
    norm = -_distance_to_isotropic(0.0, 2.0 * SCALE**2, dim)
    np.testing.assert_allclose(mmd.mean_embedding_norm(prior, kernel), norm, rtol=5e-7)


def _normal_moment(scale, exponent):
    """E |X|^exponent, X normal of mean zero."""
    moment = scipy.special.gamma((exponent + 1) / 2) / np.pi**0.5
    return (2.0 * scale**2) ** (exponent / 2) * moment


# Each with E |X - X'|^b of two draws.
LAWS = {
    "Laplace": (
        lambda: tfd.Laplace(np.float64(0.5), np.float64(1.2)),
        scipy.stats.laplace(0.5, 1.2),
        lambda b: 1.2**b * (scipy.special.gamma(b + 1) + scipy.special.gamma(b + 2)) / 2,
    ),
    "Uniform": (
        lambda: tfd.Uniform(np.float64(-1.0), np.float64(2.0)),
        scipy.stats.uniform(-1.0, 3.0),
        lambda b: 2.0 * 3.0**b / ((b + 1) * (b + 2)),
    ),
    "Normal": (
        lambda: tfd.Normal(np.float64(2.0), np.float64(0.1)),
        scipy.stats.norm(2.0, 0.1),
        lambda b: _normal_moment(0.1 * 2.0**0.5, b),
    ),
}


@pytest.mark.parametrize("exponent", [0.7, 1.6])
@pytest.mark.parametrize("name", LAWS)
def test_quadrature_in_one_dimension(name, exponent):
    make, law, moment = LAWS[name]
    prior, kernel = tfd.Sample(make(), 1), mmd.Energy(exponent)
    low, high = law.ppf(1e-14), law.ppf(1.0 - 1e-14)
    points = np.array([-4.0, 0.45, 1.9, 6.0])
    expected = []
    for z in points:
        cuts = sorted({low, high, float(law.mean()), float(np.clip(z, low, high))})
        parts = [
            scipy.integrate.quad(lambda x, z=z: abs(z - x) ** exponent * law.pdf(x), *cut)[0]
            for cut in itertools.pairwise(cuts)
        ]
        expected.append(-sum(parts))
    values = mmd.mean_embedding(prior, kernel, points[:, np.newaxis])
    # The rounding errors of the uniform law's own rule are magnified by the largest weight.
    np.testing.assert_allclose(values, expected, rtol=5e-6 if exponent > 1.0 else 1e-6)
    norm = mmd.mean_embedding_norm(prior, kernel)
    np.testing.assert_allclose(norm, -moment(exponent), rtol=2e-6)


def _full_mixture(dim, count=5):
    rng = np.random.default_rng(1)
    factors = np.tril(rng.normal(size=(count, dim, dim))) / dim**0.5 + 0.5 * np.eye(dim)
    return tfd.MixtureSameFamily(
        tfd.Categorical(probs=rng.dirichlet(np.ones(count))),
        tfd.MultivariateNormalTriL(3.0 * rng.normal(size=(count, dim)), factors),
    )


@pytest.mark.sampled
@pytest.mark.parametrize(
    "prior",
    [
        priors.ring_mixture(10),
        priors.swiss_roll(3, points_per_component=8),
        _full_mixture(64, 2),
        priors.categorical(5),
        priors.bernoulli(3, probs=0.3),
        tfd.Sample(tfd.StudentT(5.0, 0.0, 1.0), 2),
    ],
    ids=["ring", "swiss roll", "full covariances", "classes", "bits", "Student"],
)
def test_means_over_draws(prior):
    draws = tf.cast(prior.sample(40_000, seed=[0, 1]), tf.float64).numpy()
    kernel, points = mmd.Energy(), draws[:3].astype(np.float32) * 1.5 - 0.2
    values = mmd.mean_embedding(prior, kernel, points)
    in_graph = tf.function(lambda points: mmd.mean_embedding(prior, kernel, points))(points)
    np.testing.assert_allclose(values, in_graph, rtol=1e-5)
    distances = -np.linalg.norm(points[:, np.newaxis] - draws, axis=-1)
    error = distances.std(axis=1) / len(draws) ** 0.5
    assert (np.abs(values - distances.mean(axis=1)) < 5.0 * error).all()
    distances = -np.linalg.norm(draws[::2] - draws[1::2], axis=-1)
    error = distances.std() / len(distances) ** 0.5
    assert abs(mmd.mean_embedding_norm(prior, kernel) - distances.mean()) < 5.0 * error


def test_squared_mmd_is_the_energy_distance():
    codes = np.random.default_rng(0).normal(size=(40, 8)) + 0.5
    distances = np.linalg.norm(codes[:, np.newaxis] - codes, axis=-1)
    across = _distance_to_isotropic((codes**2).sum(axis=1), 1.0, 8).mean()
    within_prior = _distance_to_isotropic(0.0, 2.0, 8)
    prior = tfd.MultivariateNormalDiag(np.zeros(8))
    for estimator, pairs in (("unbiased", 40 * 39), ("biased", 40 * 40)):
        expected = 2.0 * across - within_prior - distances.sum() / pairs
        value = mmd.squared_mmd(codes, prior, mmd.Energy(), estimator)
        np.testing.assert_allclose(value, expected, rtol=1e-5)


@pytest.mark.thorough
@pytest.mark.parametrize("jit_compile", [False, True])
def test_gradient_far_away_has_the_length_two_and_is_finite_for_equal_codes(jit_compile):
    prior, kernel = priors.gaussian(2), mmd.Energy()
    codes = tf.fill([50, 2], 1e3)

    @tf.function(jit_compile=jit_compile)
    def gradient():
        with tf.GradientTape() as tape:
            tape.watch(codes)
            loss = mmd.squared_mmd(codes, prior, kernel)
        return tape.gradient(loss, codes)

    lengths = np.linalg.norm(gradient(), axis=1)
    np.testing.assert_allclose(lengths, 2.0 / len(codes), rtol=1e-2)


def test_gradients_reach_the_parameters_of_a_prior():
    scale = tf.Variable(np.float64(1.5))
    with tf.GradientTape() as tape:
        prior = tfd.MultivariateNormalDiag(np.zeros(2), [scale, scale])
        norm = mmd.mean_embedding_norm(prior, mmd.Energy())
    # The norm is proportional to the scale.
    np.testing.assert_allclose(tape.gradient(norm, scale), norm / scale, rtol=1e-6)


def test_tests_take_the_kernel():
    prior, kernel = priors.gaussian(2), mmd.Energy()
    codes = prior.sample(100, seed=[0, 3])
    assert mmd.standardized_mmd(codes + 1.0, prior, kernel) > 30.0
    assert abs(mmd.standardized_mmd(codes, prior, kernel)) < 3.0
    assert mmd.goodness_of_fit(codes + 1.0, prior, kernel, num_bootstrap=99).p_value <= 0.01
    assert mmd.goodness_of_fit(codes, prior, kernel, num_bootstrap=99).p_value > 0.05


def test_energy_by_name():
    divergence = divergences.get("energy")
    assert isinstance(divergence.kernel, mmd.Energy)
    assert divergence.default_weight(784) == 10.0
    divergence.connect(priors.ring_mixture(10), seed=0)
    codes = np.random.default_rng(0).normal(size=(30, 2)).astype("float32")
    expected = mmd.squared_mmd(codes, priors.ring_mixture(10), mmd.Energy())
    np.testing.assert_allclose(divergence.compare(codes, (0, 1)).encoder_loss, expected, rtol=1e-5)


@pytest.mark.parametrize("exponent", [0.0, 2.0, -1.0, np.nan])
def test_exponents_out_of_range_are_refused(exponent):
    with pytest.raises(ValueError, match=r"`exponent` to be from 0\.1 to 1\.9"):
        mmd.Energy(exponent)


@pytest.mark.parametrize("exponent", ["1", True, None])
def test_exponents_that_are_no_numbers_are_refused(exponent):
    with pytest.raises(TypeError, match="`exponent` to be a number"):
        mmd.Energy(exponent)


def test_a_prior_without_a_variance_is_sampled():
    heavy = tfd.Sample(tfd.StudentT(1.5, 0.0, 1.0), 2)
    assert not mmd.has_mean_embedding(heavy, mmd.Energy())
    with pytest.raises(NotImplementedError, match="`distribution` to have a finite variance"):
        mmd.mean_embedding(heavy, mmd.Energy(), np.zeros([1, 2], np.float32))


# The sliced Gaussian kernel.

FAR = np.concatenate([[0.0], np.geomspace(1e-4, 1e6, 500)])


@pytest.mark.parametrize("dim", [1, 2, 3, 8, 64])
def test_sliced_kernel_is_kummers_function(dim):
    kernel, expected = mmd.SlicedGaussian(1.3), scipy.special.hyp1f1(0.5, dim / 2, -FAR)
    points = np.zeros([len(FAR), dim])
    points[:, 0] = np.sqrt(2.0 * FAR) * 1.3
    for dtype, atol in (("float64", 5e-9), ("float32", 1e-6)):
        x = points.astype(dtype)
        np.testing.assert_allclose(kernel.apply(x, np.zeros_like(x)), expected, atol=atol)
        matrix = mmd.squared_mmd_two_samples(x[:2], x[:2] + x[5], kernel, "biased")
        assert np.isfinite(matrix)
    if dim > 1:
        nodes, weights = beta_quadrature(dim)
        np.testing.assert_allclose(
            np.exp(-FAR[:, np.newaxis] * nodes) @ weights, expected, atol=1e-7
        )


def test_sliced_kernel_is_the_mean_over_slices():
    rng = np.random.default_rng(0)
    slices = rng.normal(size=(400_000, 8))
    slices /= np.linalg.norm(slices, axis=1, keepdims=True)
    difference = rng.normal(size=8)
    values = np.exp(-0.5 * (slices @ difference / 1.3) ** 2)
    value = mmd.SlicedGaussian(1.3).apply(difference, np.zeros(8))
    assert abs(value - values.mean()) < 5.0 * values.std() / len(values) ** 0.5


@pytest.mark.parametrize("dim", [1, 2, 8, 64])
def test_sliced_embedding_of_isotropic_gaussians(dim):
    prior = tfd.MultivariateNormalDiag(np.full(dim, CENTRE), np.full(dim, SCALE))
    directions = np.random.default_rng(0).normal(size=(5, dim)) / dim**0.5
    points = CENTRE + directions * np.array([[0.0], [1.0], [5.0], [30.0], [1000.0]])
    squares, width = ((points - CENTRE) ** 2).sum(axis=1), 0.8**2

    def expected(squares, variance):
        ratio = squares / (2.0 * (width + variance))
        return (width / (width + variance)) ** 0.5 * scipy.special.hyp1f1(0.5, dim / 2, -ratio)

    kernel = mmd.SlicedGaussian(0.8)
    in_graph = tf.function(lambda points: mmd.mean_embedding(prior, kernel, points))
    for values in (mmd.mean_embedding(prior, kernel, points), in_graph(tf.constant(points))):
        np.testing.assert_allclose(values, expected(squares, SCALE**2), atol=1e-7)
    single = in_graph(tf.constant(points, tf.float32))
    np.testing.assert_allclose(single, expected(squares, SCALE**2), atol=1e-6)
    norm = mmd.mean_embedding_norm(prior, kernel)
    np.testing.assert_allclose(norm, expected(0.0, 2.0 * SCALE**2), atol=1e-7)


@pytest.mark.parametrize("prior", [priors.ring_mixture(10), _full_mixture(16), priors.uniform(2)])
def test_sliced_means_over_draws(prior):
    kernel = mmd.SlicedGaussian(0.8)
    draws = tf.cast(prior.sample(40_000, seed=[0, 1]), tf.float64).numpy()
    points = draws[:3].astype(np.float32) * 1.5 - 0.2
    values = mmd.mean_embedding(prior, kernel, points)
    samples = kernel.apply(points[:, np.newaxis].astype(np.float64), draws[np.newaxis]).numpy()
    error = samples.std(axis=1) / len(draws) ** 0.5
    assert (np.abs(values - samples.mean(axis=1)) < 5.0 * error).all()
    samples = kernel.apply(draws[::2], draws[1::2]).numpy()
    error = samples.std() / len(samples) ** 0.5
    assert abs(mmd.mean_embedding_norm(prior, kernel) - samples.mean()) < 5.0 * error


def test_cramer_wold_formula_errs_as_the_docstring_says():
    x = np.geomspace(1e-3, 1e5, 2000)
    for dim, error in ((2, 0.22), (8, 2e-2), (128, 1e-3)):
        exact = scipy.special.hyp1f1(0.5, dim / 2, -x)
        asymptotic = (1.0 + 4.0 * x / (2.0 * dim - 3.0)) ** -0.5
        assert np.abs(exact - asymptotic).max() == pytest.approx(error, rel=0.2)


def test_sliced_by_name_follows_the_prior():
    divergence = divergences.get("sliced")
    prior = priors.gaussian(3, scale=5.0)
    # Seeds of divergences reach beyond 32 bits.
    divergence.connect(prior, seed=2**40 + 1)
    assert divergence.kernel.length_scale == pytest.approx(5.0, rel=0.05)
    codes = np.random.default_rng(0).normal(size=(30, 3)).astype("float32")
    expected = mmd.squared_mmd(codes, prior, divergence.kernel)
    np.testing.assert_allclose(divergence.compare(codes, (0, 1)).encoder_loss, expected, rtol=1e-5)
    again = divergences.MMD.from_config(divergence.get_config())
    assert again.kernel.length_scale == divergence.kernel.length_scale


def test_a_width_that_is_missing_or_not_positive_is_refused():
    with pytest.raises(ValueError, match="`length_scale`"):
        mmd.SlicedGaussian(0.0)
    with pytest.raises(ValueError, match=r"length_scale but within divergences\.MMD"):
        mmd.mean_embedding(priors.gaussian(2), mmd.SlicedGaussian(), np.zeros([1, 2], np.float32))
