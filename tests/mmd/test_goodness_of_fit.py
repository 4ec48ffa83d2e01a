"""The test of samples against a distribution."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd, priors

tfd = tfp.distributions
NORMAL = priors.gaussian(2)
KERNEL = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=1.0)
SHIFT = np.array([0.6, 0.0], np.float32)
# Can only be sampled.
UNKNOWN = tfd.TransformedDistribution(NORMAL, tfp.bijectors.Softplus())


def normals(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def centred(samples):
    """h for N(0, I) in two dimensions and the kernel exp(-r^2 / 2), by hand."""
    samples = samples.astype(np.float64)
    kernel = np.exp(-((samples[:, None] - samples) ** 2).sum(axis=-1) / 2.0)
    mu = np.exp(-(samples**2).sum(axis=-1) / 4.0) / 2.0
    values = kernel - mu[:, None] - mu + 1.0 / 3.0
    np.fill_diagonal(values, 0.0)
    return values


def test_statistic_is_the_unbiased_estimate():
    samples = normals(30, 2)
    result = mmd.goodness_of_fit(samples, NORMAL, KERNEL)
    np.testing.assert_allclose(result.statistic, centred(samples).sum() / (30 * 29), rtol=1e-4)
    expected = mmd.squared_mmd(samples, NORMAL, KERNEL)
    np.testing.assert_allclose(result.statistic, expected, rtol=1e-4)
    assert {value.dtype for value in result} == {tf.float32}
    doubles = mmd.goodness_of_fit(samples.astype(np.float64), NORMAL, KERNEL)
    assert {value.dtype for value in doubles} == {tf.float64}


def test_p_value_is_the_share_of_all_signs():
    samples = normals(9, 2) + 0.6
    values = centred(samples)
    signs = np.array(list(itertools.product([-1.0, 1.0], repeat=9)))
    share = (np.einsum("bi,ij,bj->b", signs, values, signs) >= values.sum() - 1e-12).mean()
    assert 0.02 < share < 0.5
    result = mmd.goodness_of_fit(samples, NORMAL, KERNEL, num_bootstrap=20_000)
    error = np.sqrt(share * (1.0 - share) / 20_000)
    assert abs(float(result.p_value) - share) < 5.0 * error


@pytest.mark.sampled
@pytest.mark.parametrize("kernel", [KERNEL, mmd.default_kernel(NORMAL)], ids=["one", "sum"])
def test_rejects_the_prior_in_five_percent_and_a_shift_almost_always(kernel):
    @tf.function(autograph=False)
    def p_value(samples):
        return mmd.goodness_of_fit(samples, NORMAL, kernel, num_bootstrap=200).p_value

    samples = normals(1000, 50, 2)
    p_values = np.array([p_value(tf.constant(each)) for each in samples])
    assert 0.03 <= (p_values <= 0.05).mean() <= 0.07
    assert (p_values > 0.0).all() and (p_values <= 1.0).all()
    assert 0.4 < np.median(p_values) < 0.6
    shifted = np.array([p_value(tf.constant(each + SHIFT)) for each in samples[:200]])
    assert (shifted <= 0.05).mean() > 0.8


def test_one_hot_codes_have_many_ties_and_keep_the_level():
    prior = priors.categorical(4)
    kernel = mmd.default_kernel(prior)

    @tf.function(autograph=False)
    def p_value(samples):
        return mmd.goodness_of_fit(samples, prior, kernel, num_bootstrap=200).p_value

    classes = np.random.default_rng(0).integers(0, 4, size=(1000, 50))
    p_values = np.array([p_value(each) for each in tf.one_hot(classes, 4)])
    assert 0.03 <= (p_values <= 0.05).mean() <= 0.07
    assert p_value(tf.one_hot([0] * 25 + [1, 2, 3] * 8 + [1], 4)) < 0.01


def test_collapsed_codes_are_found():
    result = mmd.goodness_of_fit(np.zeros((40, 2), np.float32), NORMAL, num_bootstrap=300)
    assert float(result.p_value) == pytest.approx(1.0 / 301.0)


def test_takes_the_default_kernel():
    samples = normals(30, 2)
    expected = mmd.goodness_of_fit(samples, NORMAL, mmd.default_kernel(NORMAL))
    assert mmd.goodness_of_fit(samples, NORMAL) == expected


def test_is_a_function_of_the_seed_in_graphs_too():
    samples = tf.constant(normals(30, 2))

    def test(seed):
        return mmd.goodness_of_fit(samples, NORMAL, KERNEL, 700, seed)

    assert test(3) == test(3)
    assert test(3).statistic == test(4).statistic
    assert test(3).p_value != test(4).p_value
    compiled = tf.function(
        lambda rows: mmd.goodness_of_fit(rows, NORMAL, KERNEL, 700, 3),
        input_signature=[tf.TensorSpec([None, 2])],
        autograph=False,
    )
    np.testing.assert_allclose(compiled(samples), test(3), rtol=1e-5)


def test_without_a_closed_form_compares_with_as_many_draws():
    assert not mmd.has_mean_embedding(UNKNOWN, KERNEL)
    samples = np.log1p(np.exp(normals(60, 2)))
    result = mmd.goodness_of_fit(samples, UNKNOWN, KERNEL, 300, seed=5)
    draws = priors.sample(UNKNOWN, 60, seed=[-1, 5])
    assert result == mmd.two_sample_test(samples, draws, KERNEL, 300, seed=5)
    assert result.p_value > 0.05
    assert mmd.goodness_of_fit(samples + 1.0, UNKNOWN, KERNEL).p_value < 0.01
    kernel = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=np.float64(1.0))
    doubles = mmd.goodness_of_fit(samples.astype(np.float64), UNKNOWN, kernel, 300, seed=5)
    np.testing.assert_allclose(doubles, result, rtol=1e-3)
    assert doubles.p_value.dtype == tf.float64


class TestRefusals:
    @pytest.mark.parametrize("count", [0, -1, 2.0, True])
    def test_num_bootstrap(self, count):
        with pytest.raises(ValueError, match="Expected `num_bootstrap` to be a positive integer"):
            mmd.goodness_of_fit(normals(5, 2), NORMAL, KERNEL, num_bootstrap=count)

    def test_seed(self):
        with pytest.raises(TypeError, match="Expected `seed` to be an integer"):
            mmd.goodness_of_fit(normals(5, 2), NORMAL, KERNEL, seed=0.5)
        with pytest.raises(ValueError, match="Expected `seed` to be at least 0"):
            mmd.goodness_of_fit(normals(5, 2), NORMAL, KERNEL, seed=-1)
        with pytest.raises(ValueError, match="Expected `seed` to be at most 2147483647"):
            mmd.goodness_of_fit(normals(5, 2), NORMAL, KERNEL, seed=2**31)

    def test_samples(self):
        with pytest.raises(ValueError, match="Expected `samples` to have at least 2 rows"):
            mmd.goodness_of_fit(normals(1, 2), NORMAL, KERNEL)
        with pytest.raises(ValueError, match="Expected `samples` to have as many columns as"):
            mmd.goodness_of_fit(normals(5, 3), NORMAL, KERNEL)
        with pytest.raises(ValueError, match="Expected `samples` to be finite"):
            mmd.goodness_of_fit(normals(5, 2) * np.nan, NORMAL, KERNEL)
        with pytest.raises(TypeError, match="Expected `samples` to be float32 or float64"):
            mmd.goodness_of_fit(np.zeros((5, 2), int), NORMAL, KERNEL)

    def test_distribution_and_kernel(self):
        with pytest.raises(TypeError, match=r"Expected `distribution` to be a tfd.Distribution"):
            mmd.goodness_of_fit(normals(5, 2), KERNEL)
        with pytest.raises(TypeError, match="Expected `kernel` to be a kernel of"):
            mmd.goodness_of_fit(normals(5, 2), NORMAL, NORMAL)
