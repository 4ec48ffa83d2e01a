import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from aae_tf import posteriors

FEATURES = np.random.default_rng(0).normal(size=(7, 5)).astype("float32")


def _connected(posterior, code_dim=3, seed=0):
    posterior.connect(feature_dim=5, code_dim=code_dim, seed=seed)
    return posterior


def _samples(posterior, features, count):
    parameters = posterior(features)
    draw = tf.function(lambda seed: posterior.sample(parameters, seed), autograph=False)
    return np.stack([draw(tf.constant([0, i])).numpy() for i in range(count)])


def test_deterministic_is_the_linear_head():
    posterior = _connected(posteriors.Deterministic())
    kernel, bias = posterior.get_weights()
    parameters = posterior(FEATURES)
    expected = FEATURES @ kernel + bias
    np.testing.assert_allclose(posterior.mean(parameters), expected, atol=1e-6)
    np.testing.assert_array_equal(posterior.sample(parameters, [0, 1]), posterior.mean(parameters))


def test_gaussian_samples_have_the_stated_law():
    posterior = _connected(posteriors.Gaussian())
    parameters = posterior(FEATURES)
    mean, log_variance = (parameters[key].numpy() for key in ("mean", "log_variance"))
    draws = _samples(posterior, FEATURES, 2000)
    standardised = (draws - mean) / np.exp(log_variance / 2)
    assert stats.kstest(standardised.ravel(), "norm").pvalue > 0.01
    np.testing.assert_array_equal(posterior.mean(parameters), mean)


def test_gaussian_bounds_the_log_variance_of_extreme_features():
    posterior = _connected(posteriors.Gaussian(max_log_variance=2.0))
    parameters = posterior(1e6 * FEATURES)
    assert np.abs(parameters["log_variance"]).max() <= 2.0
    assert np.isfinite(posterior.sample(parameters, [0, 1])).all()


def test_gaussian_gradient_reaches_both_heads():
    posterior = _connected(posteriors.Gaussian())
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(tf.square(posterior.sample(posterior(FEATURES), [0, 1])))
    gradients = tape.gradient(value, [v.value for v in posterior.trainable_variables])
    assert len(gradients) == 4 and all(np.abs(g).max() > 0 for g in gradients)


@pytest.mark.thorough
def test_universal_mean_is_the_average_over_noise():
    few, many = (
        _connected(posteriors.Universal(noise_dim=4, units=(16,), num_mean_samples=n))
        for n in (32, 4096)
    )
    many.set_weights(few.get_weights())
    draws = _samples(few, FEATURES, 4000)
    standard_error = draws.std(axis=0) / np.sqrt(len(draws))
    error = np.abs(many.mean(many(FEATURES)) - draws.mean(axis=0))
    # 4096 fixed draws of their own add as much error again.
    assert (error < 5 * np.sqrt(2) * standard_error).all()


def test_universal_draws_are_no_gaussian_by_construction():
    posterior = _connected(posteriors.Universal(noise_dim=1, units=(8,)), code_dim=1)
    draws = _samples(posterior, FEATURES[:1], 2000).ravel()
    assert stats.normaltest(draws).pvalue < 1e-6


@pytest.mark.parametrize("name", ["deterministic", "gaussian", "universal"])
def test_row_of_the_mean_depends_on_its_row_alone(name):
    posterior = _connected(posteriors.get(name))
    whole = posterior.mean(posterior(FEATURES)).numpy()
    alone = np.concatenate([posterior.mean(posterior(FEATURES[i : i + 1])) for i in range(7)])
    np.testing.assert_allclose(whole, alone, rtol=1e-5, atol=1e-6)
    assert whole.dtype == np.float32 and whole.shape == (7, 3)


@pytest.mark.parametrize("name", ["gaussian", "universal"])
def test_seed_fixes_the_sample(name):
    posterior = _connected(posteriors.get(name))
    parameters = posterior(FEATURES)
    first, again, other = (posterior.sample(parameters, [0, s]).numpy() for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


@pytest.mark.parametrize("name", ["deterministic", "gaussian", "universal"])
def test_seed_fixes_the_initial_weights(name):
    first, again, other = (
        _connected(posteriors.get(name), seed=s).get_weights() for s in (1, 1, 2)
    )
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], other[0])


def test_an_instance_is_returned_as_it_is():
    posterior = posteriors.Gaussian()
    assert posteriors.get(posterior) is posterior


def test_a_posterior_belongs_to_one_model():
    posterior = _connected(posteriors.Deterministic())
    with pytest.raises(ValueError, match="not to belong to another model"):
        posterior.connect(5, 3, seed=0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: posteriors.get("cauchy"), ValueError, "'deterministic', 'gaussian', 'universal'"),
        (lambda: posteriors.get(3), TypeError, "`posterior` to be a name"),
        (lambda: posteriors.Gaussian(max_log_variance=0.0), ValueError, "`max_log_variance`"),
        (lambda: posteriors.Gaussian("a"), TypeError, "`max_log_variance` to be a number"),
        (lambda: posteriors.Universal(activation="no"), ValueError, "no"),
        (lambda: posteriors.Universal(noise_dim=0), ValueError, "`noise_dim`"),
        (lambda: posteriors.Universal(units=()), ValueError, "`units`"),
        (lambda: posteriors.Universal(num_mean_samples=3), ValueError, "even"),
        (lambda: posteriors.Deterministic().connect(5, 0, 0), ValueError, "`code_dim`"),
        (lambda: posteriors.Deterministic().connect(0, 5, 0), ValueError, "`feature_dim`"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("method", ["build_head", "sample", "mean"])
def test_the_base_class_names_what_a_posterior_lacks(method):
    arguments = {"build_head": (5, 0), "sample": ({}, [0, 0]), "mean": ({},)}[method]
    with pytest.raises(NotImplementedError, match=f"Posterior does not implement `{method}`"):
        getattr(posteriors.Posterior(), method)(*arguments)
