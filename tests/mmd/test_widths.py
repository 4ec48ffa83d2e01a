"""The default kernel follows the distribution."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd
from tests.mmd.mmd_cases import CASES

tfd = tfp.distributions
ExponentiatedQuadratic = tfp.math.psd_kernels.ExponentiatedQuadratic


def widths(kernel):
    return np.array([float(term.length_scale) for term in kernel.kernels])


@pytest.mark.parametrize("dimension", [1, 2, 8, 128])
def test_each_width_makes_pairs_as_similar_as_asked(dimension):
    normal = tfd.MultivariateNormalDiag(np.zeros(dimension))
    points = np.random.default_rng(0).normal(size=(2000, dimension))
    for width, similarity in zip(
        widths(mmd.default_kernel(normal)), (1 / 2, 1 / 8, 1 / 32, 1 / 128), strict=True
    ):
        kernel = ExponentiatedQuadratic(length_scale=width)
        # Leading term of the variance of an average over the pairs of 512 draws, doubled for the
        # terms that it leaves out.
        spread = np.std(mmd.mean_embedding(normal, kernel, points))
        error = 2.0 * 2.0 * spread / np.sqrt(512)
        norm = float(mmd.mean_embedding_norm(normal, kernel))
        assert abs(norm - similarity) < 5.0 * error
        assert abs(norm - similarity) < 0.5 * similarity


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_height_and_scale(dtype):
    def make(scale):
        return tfd.MultivariateNormalDiag(np.zeros(3, dtype), np.full(3, scale, dtype))

    kernel = mmd.default_kernel(make(1.0))
    assert kernel.dtype == dtype
    points = np.random.default_rng(0).normal(size=(4, 3)).astype(dtype)
    np.testing.assert_allclose(kernel.apply(points, points), np.ones(4), rtol=1e-6)
    np.testing.assert_allclose(
        widths(mmd.default_kernel(make(5.0))), 5.0 * widths(kernel), rtol=1e-5
    )


def test_similarities_and_seed():
    normal = tfd.MultivariateNormalDiag(np.zeros(2))
    kernel = mmd.default_kernel(normal, similarities=(0.3, 0.7), seed=4)
    narrow, wide = widths(kernel)
    assert narrow < wide
    np.testing.assert_array_equal(
        widths(mmd.default_kernel(normal, similarities=(0.3, 0.7), seed=4)), [narrow, wide]
    )
    other, _ = widths(mmd.default_kernel(normal, similarities=(0.3, 0.7), seed=5))
    assert other != narrow
    np.testing.assert_allclose(other, narrow, rtol=0.2)
    single = mmd.default_kernel(normal, similarities=[0.3], seed=4)
    np.testing.assert_allclose(single.length_scale, narrow, rtol=1e-6)
    assert float(single.amplitude) == 1.0


SIMILARITIES = (1 / 2, 1 / 8, 1 / 32, 1 / 128)


def test_pairs_that_coincide_do_not_count():
    # Distinct one-hot vectors are all sqrt(2) apart: exp(-1 / width^2) = similarity.
    prior = tfd.OneHotCategorical(probs=[0.2, 0.3, 0.5])
    expected = [np.log(1 / q) ** -0.5 for q in SIMILARITIES]
    np.testing.assert_allclose(widths(mmd.default_kernel(prior, SIMILARITIES)), expected, rtol=1e-5)
    points = tfd.MixtureSameFamily(
        tfd.Categorical(probs=[0.2, 0.3, 0.5]), tfd.VectorDeterministic(np.eye(3))
    )
    np.testing.assert_allclose(widths(mmd.default_kernel(points)), expected, rtol=1e-5)


def frequencies_after_descent(kernel, logits):
    """Lets 200 softmax outputs follow MMD; gives their mean and how far they are from corners."""
    prior = tfd.OneHotCategorical(probs=np.full(10, 0.1, np.float32))
    features = np.random.default_rng(1).normal(size=[200, 60]).astype("f4") / 8
    weights = tf.Variable(tf.zeros([60, 10]))
    optimizer = tf.keras.optimizers.Adam(0.05)
    optimizer.build([weights])

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            probs = tf.nn.softmax(logits + features @ weights)
            value = mmd.squared_mmd(probs, prior, kernel)
        optimizer.apply_gradients([(tape.gradient(value, weights), weights)])
        return probs

    for _ in range(250):
        probs = step()
    return np.mean(probs, axis=0), 1 - np.mean(np.max(probs, axis=1))


@pytest.mark.sampled
@pytest.mark.parametrize(("start", "limit"), [("centre", 0.04), ("corner", 0.12)])
def test_classes_are_matched_from_the_centre_and_from_a_corner(start, limit):
    noise = np.random.default_rng(0).normal(size=[200, 10]).astype("f4")
    logits = 0.1 * noise if start == "centre" else 0.5 * noise + 4.4 * np.eye(10, dtype="f4")[0]
    prior = tfd.OneHotCategorical(probs=np.full(10, 0.1, np.float32))
    errors = {}
    for name, similarities in (("default", None), ("fine", SIMILARITIES)):
        kernel = mmd.default_kernel(prior, similarities)
        frequencies, distance = frequencies_after_descent(kernel, logits)
        errors[name] = np.abs(frequencies - 0.1).sum() / 2
        assert distance < 0.1
    assert errors["default"] < limit
    assert errors["default"] < errors["fine"]


def test_no_moments_are_needed():
    # Half of all pairs of standard Cauchy draws are closer than 2.
    kernel = mmd.default_kernel(tfd.Sample(tfd.Cauchy(0.0, 1.0), 1), similarities=[1 / 2])
    assert 0.5 < float(kernel.length_scale) < 4.0


@pytest.mark.thorough
def test_ring_and_components_are_seen_where_a_single_width_sees_neither():
    ring = CASES["ring of 10 MultivariateNormalTriL"].make("float64")
    even = tfd.MixtureSameFamily(
        tfd.Categorical(probs=np.full(10, 0.1)), ring.components_distribution
    )
    distance = np.sqrt(2.0 * np.trace(even.covariance()))
    count, rng = 600, np.random.default_rng(0)

    def blurred():
        """A ring whose components have run into each other."""
        angles, radii = rng.uniform(0.0, 2.0 * np.pi, count), rng.normal(3.0, 0.6, count)
        return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=-1)

    def gaussian():
        """No ring at all: the same mean and covariance."""
        return rng.multivariate_normal(even.mean(), even.covariance(), size=count)

    for kernel, sees in (
        (mmd.default_kernel(even), True),
        (ExponentiatedQuadratic(length_scale=distance), False),
    ):
        noise = np.sqrt(2.0 * mmd.null_variance(even, kernel) / (count * (count - 1)))
        for sample in (blurred, gaussian):
            values = [float(mmd.squared_mmd(sample(), even, kernel)) for _ in range(8)]
            assert bool(np.mean(values) > 4.0 * noise) is sees


def test_inside_a_traced_function():
    prior = tfd.MultivariateNormalDiag(np.zeros(2))
    expected = widths(mmd.default_kernel(prior))

    @tf.function(autograph=False)
    def step(x):
        return mmd.squared_mmd(x, prior, mmd.default_kernel(prior))

    x = np.random.default_rng(0).normal(size=(5, 2))
    kernel = sum(
        (ExponentiatedQuadratic(np.float64(0.5), w) for w in expected[1:]),
        start=ExponentiatedQuadratic(np.float64(0.5), expected[0]),
    )
    np.testing.assert_allclose(step(x), mmd.squared_mmd(x, prior, kernel), rtol=1e-9)


@pytest.mark.parametrize("similarities", [(), (0.5, 0.0), (1.0,), (float("nan"),)])
def test_similarities_out_of_range(similarities):
    with pytest.raises(ValueError, match=r"`similarities` to be .* Received: similarities=\("):
        mmd.default_kernel(tfd.MultivariateNormalDiag(np.zeros(2)), similarities)


@pytest.mark.parametrize(
    "distribution",
    [tfd.VectorDeterministic([1.0, 2.0]), tfd.MultivariateNormalDiag([0.0, np.nan])],
)
def test_distribution_without_a_scale(distribution):
    with pytest.raises(ValueError, match=r"finite points that differ\. Received: distribution="):
        mmd.default_kernel(distribution)
