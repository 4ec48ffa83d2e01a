import json
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats

from aae_tf import AAE, SemiSupervisedAAE, evaluation, networks, priors
from aae_tf.mmd import default_kernel

tfd = tfp.distributions

X = np.random.default_rng(0).random((1100, 6), dtype=np.float32)


def make(divergence, prior=None, posterior="deterministic"):
    model = AAE(
        networks.mlp_encoder((6,), units=(16,), seed=1),
        networks.mlp_decoder((6,), 2, units=(16,), seed=2),
        prior=prior or priors.gaussian(2),
        posterior=posterior,
        divergence=divergence,
        seed=0,
    )
    model.compile(keras.optimizers.Adam(1e-3))
    return model


def unbiased_mmd(x, prior, kernel, num_samples=2000):
    """MMD^2 by NumPy and samples of the prior."""
    y = prior.sample(num_samples, seed=[5, 6]).numpy()
    gram = np.asarray(kernel.matrix(x, x), np.float64)
    within = (gram.sum() - np.trace(gram)) / (len(x) * (len(x) - 1))
    prior_gram = np.asarray(kernel.matrix(y, y), np.float64)
    prior_within = (prior_gram.sum() - np.trace(prior_gram)) / (num_samples * (num_samples - 1))
    return within - 2.0 * np.asarray(kernel.matrix(x, y), np.float64).mean() + prior_within


def test_measures_an_adversarial_model():
    model = make("adversarial")
    numbers = evaluation.evaluate_model(model, X)
    errors = 0.5 * np.square(X - model.reconstruct(X)).sum(axis=1)
    codes = model.encode(X)
    assert numbers["half_squared_error"] == pytest.approx(errors.mean(), rel=1e-5)
    np.testing.assert_allclose(numbers["codes"]["latent"]["mean"], codes.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(numbers["codes"]["latent"]["stddev"], codes.std(axis=0), rtol=1e-4)
    logs = model.evaluate(X, batch_size=100, verbose=0, return_dict=True)
    for key in ("latent_discriminator_accuracy", "latent_divergence", "loss"):
        assert numbers["losses"][key] == pytest.approx(logs[key])
    # The discriminator's part, by hand: it has seen nothing yet, so this is far from 0 and 1.
    discriminator = model.divergence.discriminator
    accuracy = 0.5 * (
        np.mean(discriminator(codes).numpy() < 0)
        + np.mean(discriminator(model.prior.sample(20_000, seed=[0, 9])).numpy() > 0)
    )
    assert numbers["losses"]["latent_discriminator_accuracy"] == pytest.approx(accuracy, abs=0.05)
    kernel = default_kernel(model.prior)
    expected = unbiased_mmd(codes, model.prior, kernel)
    assert numbers["codes"]["latent"]["mmd_squared"] == pytest.approx(expected, rel=0.1)
    assert json.loads(json.dumps(numbers)) == numbers


@pytest.mark.thorough
def test_measures_a_model_without_discriminator_under_a_prior_without_closed_form():
    prior = tfd.Sample(tfd.Moyal(0.0, 1.0), 2)
    model = make("mmd", prior)
    numbers = evaluation.evaluate_model(model, X)
    assert "latent_discriminator_accuracy" not in numbers["losses"]
    assert numbers["codes"]["latent"]["standardized_mmd"] > 10
    expected = unbiased_mmd(model.encode(X), prior, default_kernel(prior))
    assert numbers["codes"]["latent"]["mmd_squared"] == pytest.approx(expected, rel=0.1)


@pytest.mark.thorough
def test_compares_predicted_classes_with_the_class_prior():
    prior = [0.5, 0.3, 0.2]
    model = SemiSupervisedAAE(
        networks.mlp_encoder((6,), units=(16,), seed=1),
        networks.mlp_decoder((6,), 5, units=(16,), seed=2),
        style_prior=priors.gaussian(2),
        num_classes=3,
        class_prior=priors.categorical(3, prior),
        style_divergence="mmd",
        class_divergence="mmd",
        seed=0,
    )
    model.compile()
    numbers = evaluation.evaluate_model(model, X)
    classes = numbers["class_frequencies"]
    mean = model.classify(X).mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(classes["aggregated_posterior"], mean, rtol=1e-5)
    np.testing.assert_allclose(classes["class_prior"], prior, rtol=1e-6)
    assert classes["total_variation"] == pytest.approx(0.5 * np.abs(mean - prior).sum(), rel=1e-4)
    expected = stats.chisquare(len(X) * mean, len(X) * np.array(prior))
    assert (classes["chi_square"], classes["p_value"]) == pytest.approx(tuple(expected), rel=1e-3)
    assert json.loads(json.dumps(numbers)) == numbers


@pytest.mark.thorough
def test_mmd_is_noise_where_codes_are_prior_samples():
    # An encoder that ignores its input, and a Gaussian posterior with its prior's parameters.
    model = make("mmd", posterior="gaussian")
    for variable in model.posterior.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    numbers = evaluation.evaluate_model(model, X, seed=3)
    assert abs(numbers["codes"]["latent"]["mmd_squared"]) < 6e-3
    np.testing.assert_allclose(numbers["codes"]["latent"]["mean"], 0.0, atol=5 / np.sqrt(len(X)))
    np.testing.assert_allclose(
        numbers["codes"]["latent"]["stddev"], 1.0, atol=5 / np.sqrt(2 * len(X))
    )


@pytest.mark.thorough
@pytest.mark.usefixtures("eager_steps")
def test_measures_latents_against_labels_and_samples_against_data():
    model = make("mmd")
    x, other, y = X[:250], X[250:500] ** 2, np.arange(250) % 3
    numbers = evaluation.evaluate_model(
        model, x, y, validation=(other, y), num_samples=100, samples=True
    )
    codes, fitted = model.encode(x), model.encode(other)
    gap = evaluation.mutual_information_gap(codes, y)
    assert numbers["mutual_information_gap"] == pytest.approx(gap)
    scores = evaluation.dci(fitted, y, codes, y, trees=20)
    assert set(numbers["dci"]) == {"completeness", "informativeness"}
    # The same rows in another order, which the trees draw from.
    assert numbers["dci"]["completeness"] == pytest.approx(scores["completeness"], abs=0.05)
    assert numbers["dci"]["informativeness"] == pytest.approx(1 / 3, abs=0.15)
    expected = evaluation.predictability(codes)
    measured = numbers["codes"]["latent"]["predictability"]
    np.testing.assert_allclose(measured, expected, atol=1e-4)
    samples = numbers["samples"]
    assert samples["num_samples"] == 125
    assert samples["num_features"] == 64
    # The samples of an untrained decoder are all alike.
    assert samples["frechet_distance"] > samples["frechet_distance_of_data"]
    assert samples["kid"] > 5.0 * samples["kid_standard_error"]
    assert json.loads(json.dumps(numbers)) == numbers


def test_compares_samples_on_the_values_of_rows_without_labels():
    model = make("mmd")
    numbers = evaluation.evaluate_model(model, X[:50], samples=True)
    rows = X[np.random.default_rng(0).permutation(50)]
    assert numbers["samples"] == evaluation.sample_scores(rows, model.sample(50, seed=0))
    assert "mutual_information_gap" not in numbers


def test_rows_of_samples_are_as_many_and_none_trained_the_features(monkeypatch):
    calls, fitted = [], []
    module = sys.modules["aae_tf.evaluation.evaluate_model"]
    monkeypatch.setattr(module, "sample_scores", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(module, "feature_network", lambda x, y, seed: fitted.append((x, y)))

    class Model:
        def sample(self, n, seed):
            return X[:n]

    def measure(validation_x, validation_y=None):
        module._sample_numbers(Model(), X[:50], validation_x, validation_y, 0)
        real, generated, reference = calls.pop()[:3]
        assert len(real) == len(generated)
        assert len(np.unique(real, axis=0)) == len(real)
        return real, reference

    # Rows in order are not a sample of data that is sorted.
    real, reference = measure(X[100:130])
    assert len(real) == len(reference) == 30
    assert not np.array_equal(reference, X[100:130])
    real, reference = measure(X[100:130], np.arange(30) % 2)
    ((x, y),) = fitted
    assert len(real) == len(reference) == 15
    both = np.concatenate([x, reference])
    np.testing.assert_array_equal(np.unique(both, axis=0), np.unique(X[100:130], axis=0))
    numbers = np.array([np.flatnonzero((X[100:130] == row).all(axis=1))[0] for row in x])
    np.testing.assert_array_equal(y, numbers % 2)
    # Where there are too few rows to compare, all others are measured.
    real, reference = measure(X[100:105])
    assert len(real) == 50 and reference is None


@pytest.mark.thorough
def test_is_a_function_of_the_seed():
    model = make("mmd", posterior="gaussian")
    first = evaluation.evaluate_model(model, X[:50], seed=1)
    assert evaluation.evaluate_model(model, X[:50], seed=1) == first
    assert evaluation.evaluate_model(model, X[:50], seed=2) != first


def test_refuses_arguments():
    model = make("mmd")
    with pytest.raises(ValueError, match="Expected `x` to have at least two rows"):
        evaluation.evaluate_model(model, X[:1])
    with pytest.raises(ValueError, match="Expected `x` to have rows of shape"):
        evaluation.evaluate_model(model, X[:, :3])
    with pytest.raises(ValueError, match="Expected `x` to have finite values"):
        evaluation.evaluate_model(model, X * np.nan)
    with pytest.raises(ValueError, match="Expected `batch_size` to be a positive integer"):
        evaluation.evaluate_model(model, X, batch_size=0)
    with pytest.raises(ValueError, match=r"`x` to have at least 6 rows. Received: x.shape=\(5, 6"):
        evaluation.evaluate_model(model, X[:5], samples=True)
