"""Estimators of MMD^2 against sums by hand, and their statistics over repetitions."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd
from tests.mmd.mmd_cases import CASES, SUM, check_gradient, make_kernel

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels
ExponentiatedQuadratic = psd_kernels.ExponentiatedQuadratic

RING = CASES["ring of 10 MultivariateNormalTriL"].make("float64")
KERNEL = make_kernel(SUM)


def k(x, y):
    """The kernel SUM, one pair at a time."""
    square = sum((a - b) ** 2 for a, b in zip(x, y, strict=True))
    return sum(amplitude**2 * np.exp(-square / (2.0 * width**2)) for amplitude, width in SUM)


def average_over_pairs(points, weights, estimator):
    total = mass = 0.0
    for i, (x, v) in enumerate(zip(points, weights, strict=True)):
        for j, (y, w) in enumerate(zip(points, weights, strict=True)):
            if i != j or estimator == "biased":
                total += v * w * k(x, y)
                mass += v * w
    return total / mass


def two_samples_by_hand(x, y, estimator, x_weights):
    across = np.average([np.mean([k(a, b) for b in y]) for a in x], weights=x_weights)
    within_x = average_over_pairs(x, x_weights, estimator)
    within_y = average_over_pairs(y, np.ones(len(y)), estimator)
    return within_x - 2.0 * across + within_y


def squared_mmd_by_hand(z, estimator, weights):
    across = np.average(mmd.mean_embedding(RING, KERNEL, z), weights=weights)
    within = average_over_pairs(z, weights, estimator)
    return float(mmd.mean_embedding_norm(RING, KERNEL)) - 2.0 * across + within


@pytest.fixture(scope="module")
def z():
    return 1.5 * np.random.default_rng(0).normal(size=(12, 2))


@pytest.fixture(scope="module")
def weights():
    weights = np.random.default_rng(1).uniform(size=12)
    weights[3] = 0.0
    return weights


@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_by_hand(z, weights, estimator, weighted):
    given = weights if weighted else None
    used = weights if weighted else np.ones(12)
    y = np.random.default_rng(2).normal(size=(7, 2))
    np.testing.assert_allclose(
        mmd.squared_mmd(z, RING, KERNEL, estimator, given),
        squared_mmd_by_hand(z, estimator, used),
        rtol=1e-9,
    )
    np.testing.assert_allclose(
        mmd.squared_mmd_two_samples(z, y, KERNEL, estimator, given),
        two_samples_by_hand(z, y, estimator, used),
        rtol=1e-9,
    )


def test_two_samples_under_other_kernels(z):
    y = z[:5] + 1.0
    matern = psd_kernels.MaternOneHalf(length_scale=np.float64(2.0))
    values = mmd.squared_mmd_two_samples(z, y, matern, "biased")

    def average(a, b):
        return np.exp(-np.linalg.norm(a[:, None] - b, axis=-1) / 2.0).mean()

    expected = average(z, z) - 2.0 * average(z, y) + average(y, y)
    # TFP takes the root of distances that cancellation leaves at 1e-16.
    np.testing.assert_allclose(values, expected, atol=1e-7)


def test_biased_weights_equal_repeated_samples(z):
    counts = np.arange(12) % 4
    repeated = np.repeat(z, counts, axis=0)
    np.testing.assert_allclose(
        mmd.squared_mmd(z, RING, KERNEL, "biased", counts),
        mmd.squared_mmd(repeated, RING, KERNEL, "biased"),
        rtol=1e-9,
    )
    np.testing.assert_allclose(
        mmd.squared_mmd_two_samples(z, z[:4], KERNEL, "biased", counts),
        mmd.squared_mmd_two_samples(repeated, z[:4], KERNEL, "biased"),
        rtol=1e-9,
    )


@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
def test_weights_zero_and_one_select_samples(z, estimator):
    chosen = np.arange(12) % 3 == 0
    np.testing.assert_allclose(
        mmd.squared_mmd(z, RING, KERNEL, estimator, chosen),
        mmd.squared_mmd(z[chosen], RING, KERNEL, estimator),
        rtol=1e-9,
    )


@pytest.mark.parametrize(
    ("estimator", "weights"),
    [("unbiased", np.zeros(12)), ("biased", np.zeros(12)), ("unbiased", np.eye(12)[4])],
)
def test_nothing_to_average_over_gives_zero(z, estimator, weights):
    for estimate in (
        lambda x: mmd.squared_mmd(x, RING, KERNEL, estimator, weights),
        lambda x: mmd.squared_mmd_two_samples(x, z[:4], KERNEL, estimator, weights),
    ):
        value, gradient = tfp.math.value_and_gradient(estimate, tf.constant(z))
        assert float(value) == 0.0
        np.testing.assert_array_equal(gradient, np.zeros_like(z))


@pytest.mark.sampled
@pytest.mark.parametrize("shift", [0.0, 0.6])
def test_statistics_over_repetitions(shift):
    # MMD^2 between N(shift, I) and N(0, I) in closed form: see PAPER, N(m, S) against N(m', S').
    dimension, count, repetitions, s = 3, 8, 2000, 2.0
    normal = tfd.MultivariateNormalDiag(np.zeros(dimension))
    kernel = ExponentiatedQuadratic(length_scale=np.float64(np.sqrt(s)))
    norm = (1.0 + 2.0 / s) ** (-dimension / 2.0)
    truth = 2.0 * norm * (1.0 - np.exp(-dimension * shift**2 / (2.0 * (s + 2.0))))
    rng = np.random.default_rng(7)
    z = shift + rng.normal(size=(repetitions, count, dimension))
    y = rng.normal(size=(repetitions, 6, dimension))
    weights = rng.uniform(size=count)

    def estimate(pair):
        z, y = pair
        return tf.stack(
            [
                mmd.squared_mmd(z, normal, kernel),
                mmd.squared_mmd(z, normal, kernel, weights=weights),
                mmd.squared_mmd_two_samples(z, y, kernel),
                mmd.squared_mmd_two_samples(z, y, kernel, x_weights=weights),
                mmd.squared_mmd(z, normal, kernel, "biased"),
                mmd.squared_mmd_two_samples(z, y, kernel, "biased"),
            ]
        )

    @tf.function(autograph=False)
    def estimates(z, y):
        return tf.map_fn(estimate, (z, y), fn_output_signature=tf.float64)

    values = estimates(z, y).numpy()
    unbiased, biased = values[:, :4], values[:, 4:]
    errors = unbiased.std(axis=0) / np.sqrt(repetitions)
    np.testing.assert_array_less(np.abs(unbiased.mean(axis=0) - truth), 5.0 * errors)
    assert (biased > 0.0).all()
    # Unweighted, the two differ by the diagonal alone: (1 - E k(Z, Z')) / count on average.
    excess = biased[:, 0].mean() - truth
    np.testing.assert_allclose(excess, (1.0 - norm) / count, atol=5.0 * errors[0])
    if shift == 0.0:
        negative = (unbiased < 0.0).mean(axis=0)
        assert ((negative > 0.3) & (negative < 0.8)).all()
        # The degenerate statistic has variance 2 V / (n (n - 1)); 2000 values estimate it to 7%.
        variance = 2.0 * mmd.null_variance(normal, kernel) / (count * (count - 1))
        np.testing.assert_allclose(unbiased[:, 0].var(), variance, rtol=0.25)
        # The exact prior terms leave less than a third of the noise.
        assert unbiased[:, 0].var() < unbiased[:, 2].var() / 3.0


def test_gradient_equals_differences(z, weights):
    y = np.random.default_rng(2).normal(size=(5, 2))
    for estimator in ("unbiased", "biased"):
        for estimate in (
            lambda x, e=estimator: mmd.squared_mmd(x, RING, KERNEL, e, weights),
            lambda x, e=estimator: mmd.squared_mmd_two_samples(x, y, KERNEL, e, weights),
        ):
            check_gradient(estimate, z)


@pytest.mark.thorough
@pytest.mark.parametrize(("dtype", "jit_compile"), [("float64", False), ("float32", True)])
def test_finite_in_128_dimensions_and_at_coincident_points(dtype, jit_compile):
    rng = np.random.default_rng(0)
    locs = rng.normal(size=(3, 128)).astype(dtype)
    prior = tfd.MixtureSameFamily(
        tfd.Categorical(probs=np.full(3, 1 / 3, dtype)),
        tfd.MultivariateNormalDiag(locs, np.full_like(locs, 0.5)),
    )
    kernel = mmd.default_kernel(prior) + ExponentiatedQuadratic(length_scale=np.array(1e-3, dtype))

    @tf.function(jit_compile=jit_compile, autograph=False)
    def value_and_gradient(x):
        return tfp.math.value_and_gradient(lambda x: mmd.squared_mmd(x, prior, kernel), x)

    coincident = np.repeat(locs[:1], 6, axis=0)
    samples = prior.sample(6, seed=[0, 1]).numpy()
    for x in (coincident, samples, 1e3 * samples, np.zeros_like(samples)):
        value, gradient = value_and_gradient(x)
        assert value.dtype == dtype
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()
    # Between coincident points k is at its maximum, so all that is left pulls towards the prior.
    shifted = coincident + np.array(1.0, dtype)
    _, gradient = value_and_gradient(shifted)
    expected = tfp.math.value_and_gradient(
        lambda x: -2.0 * tf.reduce_mean(mmd.mean_embedding(prior, kernel, x)), shifted
    )[1]
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-9)


@pytest.mark.sampled
@pytest.mark.parametrize(("estimator", "dtype"), [("unbiased", "float32"), ("biased", "float64")])
def test_eager_graph_and_xla_agree(z, weights, estimator, dtype):
    case = CASES["ring of 10 MultivariateNormalTriL"]
    prior, kernel = case.make(dtype), make_kernel(SUM, dtype)
    x, y, w = (tf.constant(value, dtype) for value in (z, z[:5] + 1.0, weights))

    def both(x):
        return tf.stack(
            [
                mmd.squared_mmd(x, prior, kernel, estimator, w),
                mmd.squared_mmd_two_samples(x, y, kernel, estimator, w),
            ]
        )

    eager = both(x)
    assert eager.dtype == dtype
    tolerance = 1e-6 if dtype == "float32" else 1e-12
    for jit_compile in (False, True):
        np.testing.assert_allclose(
            tf.function(both, jit_compile=jit_compile, autograph=False)(x), eager, atol=tolerance
        )
    exact = squared_mmd_by_hand(z, estimator, weights)
    np.testing.assert_allclose(eager[0], exact, atol=tolerance)


@pytest.mark.thorough
def test_gradient_under_xla_with_any_batch_size(z):
    @tf.function(jit_compile=True, autograph=False)
    def gradient(x):
        return tfp.math.value_and_gradient(lambda x: mmd.squared_mmd(x, RING, KERNEL), x)[1]

    any_size = tf.function(
        gradient.python_function,
        input_signature=[tf.TensorSpec([None, 2], tf.float64)],
        jit_compile=True,
        autograph=False,
    )
    np.testing.assert_allclose(any_size(z), gradient(z), rtol=1e-9)


def test_batch_size_may_be_unknown(z):
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float64)])
    def estimate(x):
        return mmd.squared_mmd(x, RING, KERNEL)

    np.testing.assert_allclose(estimate(z), mmd.squared_mmd(z, RING, KERNEL), rtol=1e-9)
    np.testing.assert_allclose(estimate(z[:2]), mmd.squared_mmd(z[:2], RING, KERNEL), rtol=1e-9)
    # What a last batch of one cannot estimate counts as zero.
    assert float(estimate(z[:1])) == 0.0
    assert float(estimate(z[:0])) == 0.0
