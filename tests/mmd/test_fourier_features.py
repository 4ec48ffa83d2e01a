import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd
from tests.mmd.mmd_cases import check_gradient

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels

GAUSSIAN = psd_kernels.ExponentiatedQuadratic(np.float64(1.2), np.float64(0.8))
MATERN = psd_kernels.MaternThreeHalves(np.float64(0.7), np.float64(1.5))
KERNELS = {
    "gaussian": GAUSSIAN,
    "rational quadratic": psd_kernels.RationalQuadratic(
        length_scale=np.float64(0.8), scale_mixture_rate=np.float64(1.0)
    ),
    "matern": MATERN,
    "sum": GAUSSIAN + MATERN,
    "product": GAUSSIAN * MATERN,
}
SAMPLES = np.random.default_rng(0).normal(size=(7, 2)) + 0.5
WEIGHTS = np.array([1.0, 0.0, 2.0, 0.5, 1.0, 3.0, 1.0])


@pytest.mark.sampled
@pytest.mark.parametrize("name", KERNELS)
def test_unbiased_with_the_stated_deviation(name):
    kernel, count, seeds = KERNELS[name], 16, 100
    x, y = np.random.default_rng(1).normal(size=(2, 6, 2))
    values = np.array(
        [mmd.FourierFeatures(kernel, 2, 2 * count, i).apply(x, y).numpy() for i in range(seeds)]
    )
    exact, height = kernel.apply(x, y).numpy(), float(kernel.apply(x[:1], x[:1])[0])
    deviation = values.std(axis=0, ddof=1)
    assert (np.abs(values.mean(axis=0) - exact) < 5.0 * deviation / np.sqrt(seeds)).all()
    # A standard deviation from 100 values has an error of about 7%; shares of terms are rounded.
    assert (deviation < height / np.sqrt(2 * count) * 1.25).all()
    assert deviation.max() > 0.3 * height / np.sqrt(2 * count)


def test_features_are_those_of_the_kernel():
    kernel = mmd.FourierFeatures(GAUSSIAN, 2, 64, seed=3)
    features = kernel.features(SAMPLES).numpy()
    phases = SAMPLES @ kernel.frequencies.T
    scale = 1.2 / np.sqrt(32)
    by_hand = scale * np.concatenate([np.cos(phases), np.sin(phases)], axis=1)
    np.testing.assert_allclose(features, by_hand, atol=1e-12)
    np.testing.assert_allclose(np.square(features).sum(axis=1), 1.44)
    np.testing.assert_allclose(kernel.matrix(SAMPLES, SAMPLES), features @ features.T, rtol=1e-12)
    np.testing.assert_allclose(kernel.apply(SAMPLES[0], SAMPLES[1]), features[0] @ features[1])
    assert kernel.apply(SAMPLES.astype("f4"), SAMPLES.astype("f4")).dtype == tf.float32
    again = mmd.FourierFeatures(GAUSSIAN, 2, 64, seed=3)
    np.testing.assert_array_equal(again.frequencies, kernel.frequencies)
    assert (mmd.FourierFeatures(GAUSSIAN, 2, 64, seed=4).frequencies != kernel.frequencies).all()


def test_float32_phases_far_from_the_origin():
    kernel = mmd.FourierFeatures(GAUSSIAN, 2, 64)
    points = (SAMPLES + 2.0**14).astype("f4")
    expected = kernel.features(points.astype("f8"))
    np.testing.assert_allclose(kernel.features(points), expected, atol=1e-6)


def _characteristic(law, frequencies):
    """E exp(i w X) by quadrature of the density between far quantiles."""
    edges = law.ppf(np.concatenate([[1e-13, 1e-10, 1e-7], np.linspace(1e-4, 0.5, 30)]))
    edges = np.unique([*edges, *(2.0 * law.median() - edges)])
    nodes, weights = np.polynomial.legendre.leggauss(60)
    sides = np.diff(edges)[:, None]
    x = (edges[:-1, None] + sides * (nodes + 1.0) / 2.0).ravel()
    mass = (sides * weights / 2.0).ravel() * law.pdf(x)
    return np.exp(1j * frequencies[:, None] * x) @ mass


@pytest.mark.parametrize(
    ("scalar", "law"),
    [
        (tfd.Normal, scipy.stats.norm(0.3, 0.9)),
        (tfd.Laplace, scipy.stats.laplace(0.3, 0.9)),
        (
            lambda loc, scale: tfd.StudentT(np.float64(5.0), loc, scale),
            scipy.stats.t(5.0, 0.3, 0.9),
        ),
        (lambda low, side: tfd.Uniform(low, low + side), scipy.stats.uniform(0.3, 0.9)),
    ],
    ids=["normal", "laplace", "student", "uniform"],
)
def test_mean_features_are_fourier_integrals(scalar, law):
    kernel = mmd.FourierFeatures(GAUSSIAN, 1, 32)
    vector = tfd.Sample(scalar(np.float64(0.3), np.float64(0.9)), 1)
    values = _characteristic(law, kernel.frequencies[:, 0])
    means = 1.2 / 4.0 * np.concatenate([values.real, values.imag])
    points = SAMPLES[:, :1]
    expected = kernel.features(points).numpy() @ means
    np.testing.assert_allclose(mmd.mean_embedding(vector, kernel, points), expected, atol=1e-7)
    np.testing.assert_allclose(mmd.mean_embedding_norm(vector, kernel), means @ means, rtol=1e-6)


_HALVES = tfd.Categorical(probs=np.array([0.3, 0.7]))


@pytest.mark.sampled
@pytest.mark.parametrize(
    "prior",
    [
        tfd.MultivariateNormalTriL(np.array([0.5, -1.0]), np.array([[1.0, 0.0], [-0.6, 0.5]])),
        tfd.MixtureSameFamily(
            _HALVES, tfd.MultivariateNormalDiag(np.array([[0.0, 1.0], [2.0, -1.0]]), np.ones(2))
        ),
        tfd.MixtureSameFamily(
            _HALVES,
            tfd.Independent(
                tfd.Uniform(
                    np.array([[0.0, 1.0], [2.0, -1.0]]), np.array([[1.0, 3.0], [3.0, 0.5]])
                ),
                1,
            ),
        ),
        tfd.MultivariateStudentTLinearOperator(
            np.float64(5.0),
            np.array([0.5, -1.0]),
            tf.linalg.LinearOperatorLowerTriangular(np.array([[1.0, 0.0], [-0.6, 0.5]])),
        ),
        tfd.Independent(tfd.Bernoulli(probs=np.array([0.2, 0.7]), dtype=tf.float64), 1),
        tfd.Independent(tfd.Deterministic(np.array([0.5, -1.0])), 1),
        tfd.OneHotCategorical(probs=np.array([0.2, 0.8]), dtype=tf.float64),
    ],
    ids=["normal", "mixture", "boxes", "student", "bits", "point", "classes"],
)
def test_mean_embedding_is_that_of_the_average_features(prior):
    kernel = mmd.FourierFeatures(GAUSSIAN, 2, 32)
    features = kernel.features(prior.sample(200_000, seed=[0, 1])).numpy()
    at = kernel.features(SAMPLES).numpy()
    values = features @ at.T
    error = values.std(axis=0) / np.sqrt(len(features))
    difference = np.abs(mmd.mean_embedding(prior, kernel, SAMPLES) - values.mean(axis=0))
    assert (difference <= 5.0 * error + 1e-9).all()
    mean = features.mean(axis=0)
    # Of |mean|^2, to first order: 2 mean'(difference of means).
    error = 2.0 * (features @ mean).std() / np.sqrt(len(features))
    norm = mmd.mean_embedding_norm(prior, kernel)
    assert abs(norm - mean @ mean) <= 5.0 * error + 5.0 * 1.44 / len(features)


@pytest.mark.parametrize("estimator", ["unbiased", "biased", "linear"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weights"])
def test_sums_over_features_are_sums_over_pairs(estimator, weights):
    kernel = mmd.FourierFeatures(MATERN, 2, 64)
    prior = tfd.MultivariateNormalDiag(np.zeros(2), np.ones(2))
    f = kernel.features(SAMPLES).numpy()
    w = np.ones(7) if weights is None else weights
    pairs = np.multiply.outer(w, w)
    if estimator == "unbiased":
        np.fill_diagonal(pairs, 0.0)
    elif estimator == "linear":
        pairs = np.zeros([7, 7])
        pairs[[0, 2, 4], [1, 3, 5]] = w[[0, 2, 4]] * w[[1, 3, 5]]
    within = np.sum(pairs * (f @ f.T)) / pairs.sum()
    mean = w @ f / w.sum()
    mu = mmd.mean_embedding(prior, kernel, SAMPLES).numpy()
    expected = mmd.mean_embedding_norm(prior, kernel) - 2.0 * w @ mu / w.sum() + within
    value = mmd.squared_mmd(SAMPLES, prior, kernel, estimator, weights)
    np.testing.assert_allclose(value, expected, rtol=1e-10)
    if estimator == "linear":
        return
    others = np.random.default_rng(1).normal(size=(5, 2))
    g = kernel.features(others).numpy()
    gram = g @ g.T
    within_others = (
        gram.mean() if estimator == "biased" else (gram.sum() - np.trace(gram)) / (5 * 4)
    )
    value = mmd.squared_mmd_two_samples(SAMPLES, others, kernel, estimator, x_weights=weights)
    expected = within - 2.0 * mean @ g.mean(axis=0) + within_others
    np.testing.assert_allclose(value, expected, rtol=1e-10)


@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
def test_no_matrix_of_pairs(estimator):
    kernel = mmd.FourierFeatures(GAUSSIAN, 2, 8)
    prior = tfd.MultivariateNormalDiag(np.zeros(2), np.ones(2))
    count = 1009
    for function in (
        lambda z: mmd.squared_mmd(z, prior, kernel, estimator),
        lambda z: mmd.squared_mmd_two_samples(z, z + 1.0, kernel, estimator),
    ):
        traced = tf.function(function, autograph=False)
        graph = traced.get_concrete_function(tf.TensorSpec([count, 2], tf.float64)).graph
        shapes = [output.shape for op in graph.get_operations() for output in op.outputs]
        assert max(shape.num_elements() or 0 for shape in shapes) <= count * 16


def test_weights_that_leave_nothing():
    kernel = mmd.FourierFeatures(GAUSSIAN, 2, 8)
    prior = tfd.MultivariateNormalDiag(np.zeros(2), np.ones(2))
    one = np.eye(7)[0]
    assert mmd.squared_mmd(SAMPLES, prior, kernel, weights=one) == 0.0
    assert mmd.squared_mmd(SAMPLES, prior, kernel, "biased", weights=0.0 * one) == 0.0


def test_gradient_and_compilation():
    kernel = mmd.FourierFeatures(GAUSSIAN + MATERN, 2, 32)
    prior = tfd.Independent(tfd.Laplace(np.zeros(2), np.ones(2)), 1)
    check_gradient(lambda z: mmd.squared_mmd(z, prior, kernel), SAMPLES)
    compiled = tf.function(
        lambda z: mmd.squared_mmd(z, prior, kernel), jit_compile=True, autograph=False
    )
    value = compiled(tf.constant(SAMPLES, tf.float32))
    np.testing.assert_allclose(value, mmd.squared_mmd(SAMPLES, prior, kernel), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"num_features": 7},
            ValueError,
            "`num_features` to be even: cosines and sines. Received: num_features=7",
        ),
        ({"num_features": 0}, ValueError, "`num_features` to be a positive integer"),
        ({"dimension": 0}, ValueError, "`dimension` to be a positive integer"),
        ({"seed": -1}, ValueError, "`seed` to be at least 0"),
        ({"kernel": 3.0}, TypeError, "`kernel` to be a kernel"),
        (
            {"kernel": psd_kernels.Linear()},
            ValueError,
            "`kernel` to be a Gaussian, rational quadratic or Matern kernel.*Linear",
        ),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        mmd.FourierFeatures(**{"kernel": GAUSSIAN, "dimension": 2, **arguments})


@pytest.mark.parametrize(
    "call",
    [
        lambda kernel: kernel.features(np.zeros((4, 3))),
        lambda kernel: kernel.matrix(np.zeros((4, 3)), np.zeros((4, 3))),
        lambda kernel: mmd.squared_mmd(
            np.zeros((4, 3)), tfd.MultivariateNormalDiag(np.zeros(3), np.ones(3)), kernel
        ),
        lambda kernel: mmd.mean_embedding_norm(tfd.Sample(tfd.Laplace(0.0, 1.0), 3), kernel),
    ],
)
def test_other_dimensions_are_refused(call):
    with pytest.raises(ValueError, match=r"kernel.dimension=2, coordinates=3"):
        call(mmd.FourierFeatures(GAUSSIAN, 2, 8))


def test_samples_that_are_not_numbers_are_refused():
    kernel = mmd.FourierFeatures(GAUSSIAN, 2, 8)
    prior = tfd.MultivariateNormalDiag(np.zeros(2), np.ones(2))
    with pytest.raises(ValueError, match=r"`samples` to be finite.*samples with 1 NaN"):
        mmd.squared_mmd(np.array([[0.0, np.nan], [1.0, 2.0]]), prior, kernel)
