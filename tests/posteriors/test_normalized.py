"""Codes that are given the moments of a prior."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from aae_tf import posteriors

LOC, SCALE = np.float32([-1.0, 0.0, 20.0]), np.float32([5.0, 0.1, 1.0])
FEATURES = (3.0 + 2.0 * np.random.default_rng(0).normal(size=(200, 5))).astype("float32")
SEED = [0, 1]

MAKE = {
    "deterministic": posteriors.Deterministic,
    "gaussian": posteriors.Gaussian,
    "universal": lambda **kwargs: posteriors.Universal(noise_dim=2, units=(8,), **kwargs),
}


def connected(name, normalize=True, loc=LOC, scale=SCALE):
    posterior = MAKE[name](normalize=normalize)
    posterior.connect(5, 3, 0, loc, scale)
    return posterior


def bare_codes(posterior):
    """What the head gives before it is normalised: that of a twin that does not normalise."""
    twin = MAKE[type(posterior).__name__.lower()]()
    twin.connect(5, 3, seed=0)
    parameters = twin(FEATURES)
    is_universal = isinstance(twin, posteriors.Universal)
    return np.array(twin.sample(parameters, SEED) if is_universal else parameters["mean"])


def normalized_codes(posterior, features=FEATURES, training=False):
    """The mean of q(z|x), or a sample where there is no other."""
    parameters = posterior(features, training=training)
    if isinstance(posterior, posteriors.Universal):
        return posterior.sample(parameters, SEED, training).numpy()
    return parameters["mean"].numpy()


@pytest.mark.parametrize("name", MAKE)
def test_in_training_the_moments_of_the_batch_are_those_asked_for(name):
    posterior = connected(name)
    codes = normalized_codes(posterior, training=True)
    units = (codes - LOC) / SCALE
    np.testing.assert_allclose(units.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(units.std(axis=0), 1.0, atol=1e-3)
    # A map of each coordinate that keeps order and shape.
    expected = stats.zscore(bare_codes(posterior), axis=0)
    np.testing.assert_allclose(units, expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("name", MAKE)
def test_elsewhere_moving_averages_count(name):
    posterior = connected(name)
    bare = bare_codes(posterior)
    # Before any training they are 0 and 1.
    expected = LOC + SCALE * bare / np.sqrt(1.0 + 1e-5)
    np.testing.assert_allclose(normalized_codes(posterior), expected, rtol=1e-5, atol=1e-5)
    for _ in range(2):
        normalized_codes(posterior, training=True)
    # Twice: 0.9 of what was there, 0.1 of the batch's.
    mean = 0.19 * bare.mean(axis=0)
    variance = 0.81 + 0.19 * bare.var(axis=0)
    expected = LOC + SCALE * (bare - mean) / np.sqrt(variance + 1e-5)
    codes = normalized_codes(posterior)
    np.testing.assert_allclose(codes, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(normalized_codes(posterior), codes)


@pytest.mark.parametrize("name", MAKE)
def test_mean_of_a_row_depends_on_its_row_alone(name):
    posterior = connected(name)
    for _ in range(3):
        normalized_codes(posterior, training=True)
    whole = posterior.mean(posterior(FEATURES)).numpy()
    alone = posterior.mean(posterior(FEATURES[7:8])).numpy()
    np.testing.assert_allclose(whole[7:8], alone, rtol=1e-5, atol=1e-5)


def test_universal_mean_is_that_of_its_samples():
    posterior = connected("universal")
    for _ in range(50):
        normalized_codes(posterior, training=True)
    row = np.repeat(FEATURES[:1], 4000, axis=0)
    draws = posterior.sample(posterior(row), SEED).numpy()
    # The mean is over 32 draws of its own.
    error = np.abs(posterior.mean(posterior(row[:1])).numpy()[0] - draws.mean(axis=0))
    assert (error < 5.0 * draws.std(axis=0) / np.sqrt(32)).all()


def test_gaussian_noise_comes_on_top():
    posterior = connected("gaussian")
    parameters = posterior(FEATURES, training=True)
    noise = posterior.sample(parameters, SEED, training=True) - parameters["mean"]
    standardised = noise.numpy() / np.exp(parameters["log_variance"].numpy() / 2)
    assert stats.kstest(standardised.ravel(), "norm").pvalue > 0.01


@pytest.mark.parametrize("name", MAKE)
def test_without_moments_they_are_zero_and_one(name):
    codes = normalized_codes(connected(name, loc=None, scale=None), training=True)
    np.testing.assert_allclose(codes.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(codes.std(axis=0), 1.0, atol=1e-3)


@pytest.mark.parametrize("name", MAKE)
def test_by_default_codes_stay_as_they_are(name):
    posterior = connected(name, normalize=False)
    np.testing.assert_array_equal(normalized_codes(posterior, training=True), bare_codes(posterior))
    assert not posterior.non_trainable_variables


@pytest.mark.parametrize("name", MAKE)
def test_one_row_is_coded_by_the_mean_of_the_prior(name):
    posterior = connected(name)
    with tf.GradientTape() as tape:
        parameters = posterior(FEATURES[:1], training=True)
        codes = posterior.sample(parameters, SEED, training=True)
        value = tf.reduce_sum(codes)
    if name != "gaussian":
        np.testing.assert_array_equal(codes, LOC[np.newaxis])
    gradients = tape.gradient(value, posterior.trainable_variables)
    assert all(np.isfinite(g).all() for g in gradients if g is not None)
    np.testing.assert_allclose(posterior.normalization.moving_variance, 0.9, rtol=1e-6)


@pytest.mark.parametrize("name", MAKE)
def test_gradient_reaches_the_head_through_the_statistics(name):
    posterior = connected(name)
    weights = posterior.trainable_variables
    with tf.GradientTape() as tape:
        parameters = posterior(FEATURES, training=True)
        codes = posterior.sample(parameters, SEED, training=True)
        # Cubes: first and second moments cannot change.
        value = tf.reduce_mean(((codes - LOC) / SCALE) ** 3)
    gradients = tape.gradient(value, [v.value for v in weights])
    # A common shift of all codes is taken out again.
    assert sum(np.abs(g).max() > 1e-5 for g in gradients) >= len(weights) // 2


@pytest.mark.parametrize("name", MAKE)
def test_codes_are_float32_in_mixed_precision(name):
    keras.config.set_dtype_policy("mixed_float16")
    posterior = connected(name)
    codes = normalized_codes(posterior, FEATURES.astype("float16"), training=True)
    assert codes.dtype == np.float32
    assert all(v.dtype == "float32" for v in posterior.variables)
    np.testing.assert_allclose(((codes - LOC) / SCALE).std(axis=0), 1.0, atol=1e-3)


def test_passes_in_a_stateless_scope_leave_no_trace():
    posterior = connected("deterministic")
    before = [v.numpy() for v in posterior.non_trainable_variables]
    with keras.StatelessScope():
        posterior(FEATURES, training=True)
    for value, variable in zip(before, posterior.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_the_initial_weights_are_the_same_with_it():
    with_it, without = (connected("gaussian", normalize=n) for n in (True, False))
    for a, b in zip(with_it.trainable_variables, without.trainable_variables, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
@pytest.mark.parametrize("value", [1, None, "yes"])
def test_only_a_bool_is_taken(make, value):
    with pytest.raises(TypeError, match=f"`normalize` to be a bool. Received: normalize={value!r}"):
        make(normalize=value)
