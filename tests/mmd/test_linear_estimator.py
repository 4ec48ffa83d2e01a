"""The estimator of linear cost against sums by hand, and its noise against its variance."""

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
Z = 1.5 * np.random.default_rng(0).normal(size=(12, 2))
Y = np.random.default_rng(2).normal(size=(12, 2))
WEIGHTS = np.random.default_rng(1).uniform(size=12) * (np.arange(12) != 3)


def k(x, y):
    """The kernel SUM, one pair at a time."""
    square = sum((a - b) ** 2 for a, b in zip(x, y, strict=True))
    return sum(amplitude**2 * np.exp(-square / (2.0 * width**2)) for amplitude, width in SUM)


@pytest.mark.parametrize("count", [11, 12])
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_by_hand(count, weighted):
    z, y = Z[:count], Y[:count]
    given = WEIGHTS[:count] if weighted else None
    w = WEIGHTS[:count] if weighted else np.ones(count)
    pairs = [(i, i + 1) for i in range(0, count - 1, 2)]
    assert len(pairs) == count // 2
    masses = [w[i] * w[j] for i, j in pairs]

    # An odd last row counts in the average of mu.
    across = np.average(mmd.mean_embedding(RING, KERNEL, z), weights=w)
    within = np.average([k(z[i], z[j]) for i, j in pairs], weights=masses)
    expected = float(mmd.mean_embedding_norm(RING, KERNEL)) - 2.0 * across + within
    value = mmd.squared_mmd(z, RING, KERNEL, "linear", given)
    np.testing.assert_allclose(value, expected, rtol=1e-9)

    h = [k(z[i], z[j]) + k(y[i], y[j]) - k(z[i], y[j]) - k(z[j], y[i]) for i, j in pairs]
    value = mmd.squared_mmd_two_samples(z, y, KERNEL, "linear", given)
    np.testing.assert_allclose(value, np.average(h, weights=masses), rtol=1e-9)


def test_other_kernels_and_sums_with_them():
    matern = psd_kernels.MaternOneHalf(length_scale=np.float64(2.0))
    distances = np.linalg.norm(Z[0::2] - Z[1::2], axis=-1) / 2.0
    cross = [
        np.linalg.norm(a - b, axis=-1) / 2.0 for a, b in ((Z[::2], Y[1::2]), (Z[1::2], Y[::2]))
    ]
    own = np.linalg.norm(Y[0::2] - Y[1::2], axis=-1) / 2.0
    expected = np.mean(np.exp(-distances) + np.exp(-own) - np.exp(-cross[0]) - np.exp(-cross[1]))
    value = mmd.squared_mmd_two_samples(Z, Y, matern, "linear")
    np.testing.assert_allclose(value, expected, rtol=1e-9)
    both = mmd.squared_mmd_two_samples(Z, Y, KERNEL + matern, "linear")
    alone = mmd.squared_mmd_two_samples(Z, Y, KERNEL, "linear")
    np.testing.assert_allclose(both, alone + expected, rtol=1e-9)


@pytest.mark.sampled
@pytest.mark.parametrize("shift", [0.0, 0.6])
def test_mean_and_variance_over_repetitions(shift):
    # MMD^2 between N(shift, I) and N(0, I) in closed form: see `tests/mmd/test_estimators.py`.
    dimension, count, repetitions, s = 3, 10, 2000, 2.0
    normal = tfd.MultivariateNormalDiag(np.zeros(dimension))
    kernel = ExponentiatedQuadratic(length_scale=np.float64(np.sqrt(s)))
    norm = (1.0 + 2.0 / s) ** (-dimension / 2.0)
    truth = 2.0 * norm * (1.0 - np.exp(-dimension * shift**2 / (2.0 * (s + 2.0))))
    rng = np.random.default_rng(7)
    z = shift + rng.normal(size=(repetitions, count, dimension))
    y = rng.normal(size=(repetitions, count, dimension))
    weights = rng.uniform(size=count)

    def estimate(pair):
        z, y = pair
        return tf.stack(
            [
                mmd.squared_mmd(z, normal, kernel, "linear"),
                mmd.squared_mmd_two_samples(z, y, kernel, "linear"),
                mmd.squared_mmd(z, normal, kernel, "linear", weights),
                mmd.squared_mmd_two_samples(z, y, kernel, "linear", weights),
                mmd.squared_mmd(z[:-1], normal, kernel, "linear"),
            ]
        )

    @tf.function(autograph=False)
    def estimates(z, y):
        return tf.map_fn(estimate, (z, y), fn_output_signature=tf.float64)

    values = estimates(z, y).numpy()
    errors = values.std(axis=0) / np.sqrt(repetitions)
    np.testing.assert_array_less(np.abs(values.mean(axis=0) - truth), 5.0 * errors)
    if shift == 0.0:
        # Averages of count / 2 independent values, of variance V and of four uncorrelated V; 2000
        # of them tell a variance to about 6%.
        variance = mmd.null_variance(normal, kernel) / (count / 2)
        np.testing.assert_allclose(values[:, 0].var(), variance, rtol=0.25)
        np.testing.assert_allclose(values[:, 1].var(), 4.0 * variance, rtol=0.25)


@pytest.mark.parametrize("weights", [np.zeros(12), np.eye(12)[4], np.arange(12) % 2])
def test_no_pair_of_positive_weight_gives_zero(weights):
    for estimate in (
        lambda x: mmd.squared_mmd(x, RING, KERNEL, "linear", weights),
        lambda x: mmd.squared_mmd_two_samples(x, Y, KERNEL, "linear", weights),
    ):
        value, gradient = tfp.math.value_and_gradient(estimate, tf.constant(Z))
        assert float(value) == 0.0
        np.testing.assert_array_equal(gradient, np.zeros_like(Z))


def test_gradient_equals_differences():
    for estimate in (
        lambda x: mmd.squared_mmd(x, RING, KERNEL, "linear", WEIGHTS),
        lambda x: mmd.squared_mmd_two_samples(x, Y, KERNEL, "linear", WEIGHTS),
    ):
        check_gradient(estimate, Z)


@pytest.mark.thorough
@pytest.mark.parametrize(("dtype", "jit_compile"), [("float64", False), ("float32", True)])
def test_finite_in_128_dimensions_and_at_coincident_points(dtype, jit_compile):
    prior = tfd.MultivariateNormalDiag(np.zeros(128, dtype))
    kernel = mmd.default_kernel(prior) + ExponentiatedQuadratic(length_scale=np.array(1e-3, dtype))
    y = prior.sample(7, seed=[0, 2])

    @tf.function(jit_compile=jit_compile, autograph=False)
    def value_and_gradient(x):
        return tfp.math.value_and_gradient(
            lambda x: (
                mmd.squared_mmd(x, prior, kernel, "linear")
                + mmd.squared_mmd_two_samples(x, y, kernel, "linear")
            ),
            x,
        )

    samples = prior.sample(7, seed=[0, 1]).numpy()
    for x in (np.zeros_like(samples), samples, 1e3 * samples, y.numpy()):
        value, gradient = value_and_gradient(x)
        assert value.dtype == dtype
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


@pytest.mark.thorough
@pytest.mark.parametrize("jit_compile", [False, True])
def test_batch_size_may_be_unknown(jit_compile):
    @tf.function(
        input_signature=[tf.TensorSpec([None, 2], tf.float64)] * 2,
        jit_compile=jit_compile,
        autograph=False,
    )
    def estimates(x, y):
        def both(x):
            return mmd.squared_mmd(x, RING, KERNEL, "linear") + mmd.squared_mmd_two_samples(
                x, y, KERNEL, "linear"
            )

        return tfp.math.value_and_gradient(both, x)

    for count in (11, 2):
        x, y = tf.constant(Z[:count]), tf.constant(Y[:count])
        expected = mmd.squared_mmd(x, RING, KERNEL, "linear")
        expected += mmd.squared_mmd_two_samples(x, y, KERNEL, "linear")
        value, gradient = estimates(x, y)
        np.testing.assert_allclose(value, expected, rtol=1e-9)
        assert gradient.shape == x.shape
        assert np.isfinite(gradient).all()
    # What a last batch of one cannot estimate counts as zero.
    value, gradient = estimates(Z[:1], Y[:1])
    assert float(value) == 0.0
    np.testing.assert_array_equal(gradient, np.zeros((1, 2)))


@pytest.mark.parametrize(
    ("estimate", "message"),
    [
        (lambda: mmd.squared_mmd(Z[:1], RING, KERNEL, "linear"), "at least 2 rows for the linear"),
        (
            lambda: mmd.squared_mmd_two_samples(Z, Y[:1], KERNEL, "linear"),
            "`y` to have at least 2 rows for the linear",
        ),
        (
            lambda: mmd.squared_mmd_two_samples(Z, Y[:5], KERNEL, "linear"),
            r"`y` to have as many rows as `x` .* x.shape=\(12, 2\), y.shape=\(5, 2\)",
        ),
        (
            lambda: mmd.squared_mmd_two_samples(Z, Y, KERNEL, "linear", labels=np.arange(12)),
            "`estimator` to be 'unbiased' or 'biased' where `labels`.*estimator='linear'",
        ),
        (
            lambda: mmd.squared_mmd_given_labels(Z, np.arange(12) % 10, RING, KERNEL, "linear"),
            "`estimator` to be one of 'unbiased', 'biased'. Received: estimator='linear'",
        ),
    ],
)
def test_what_it_cannot_estimate_is_refused(estimate, message):
    with pytest.raises(ValueError, match=message):
        estimate()
