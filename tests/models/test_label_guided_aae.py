"""The label-guided model against SciPy and NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy.stats import multivariate_normal

from aae_tf import LabelGuidedAAE, networks, priors
from aae_tf.divergences import MMD, Adversarial
from tests.models.small import (
    INPUTS,
    KNOWN,
    LABELS,
    NUM_CLASSES,
    build,
    dense,
    forward,
    measure,
)

pytestmark = pytest.mark.usefixtures("eager_steps")

tfd = tfp.distributions

WEIGHTS = np.float32([0.2, 0.3, 0.5])
MEANS = np.float32([[2.0, 0.0], [0.0, 2.0], [-2.0, -1.0]])
FACTORS = np.float32([[[1.0, 0.0], [0.5, 0.7]], [[0.3, 0.0], [0.0, 2.0]], [[1.0, 0.0], [-0.9, 1]]])


def _mixture(factors=FACTORS):
    return tfd.MixtureSameFamily(
        tfd.Categorical(probs=WEIGHTS), tfd.MultivariateNormalTriL(MEANS, factors)
    )


def _isotropic(scale):
    return _mixture(np.tile(np.float32(scale) * np.eye(2, dtype="float32"), [3, 1, 1]))


def _model(prior=None, divergence="mmd", **kwargs):
    arguments = {"prior": prior or _mixture(), "num_classes": NUM_CLASSES, **kwargs}
    return build(LabelGuidedAAE, divergence=divergence, **arguments)


def _codes(model):
    return dense(model.posterior.mean_layer, forward(model.encoder, INPUTS))


def test_classes_are_the_responsibilities_of_the_components():
    model = _model()
    codes = _codes(model)
    np.testing.assert_allclose(model.encode(INPUTS), codes, rtol=1e-5, atol=1e-6)
    joint = np.stack(
        [
            weight * multivariate_normal(mean, factor @ factor.T).pdf(codes)
            for weight, mean, factor in zip(WEIGHTS, MEANS, FACTORS, strict=True)
        ],
        axis=1,
    )
    expected = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.classify(INPUTS), expected, rtol=1e-4, atol=1e-6)


def test_samples_of_a_label_come_from_its_component():
    model = _model()
    seeds = tf.constant(priors.row_seeds(4000, 1))
    for label in range(NUM_CLASSES):
        codes = model.seed_codes(seeds, tf.fill([4000], tf.constant(label, tf.int64)))["latents"]
        covariance = FACTORS[label] @ FACTORS[label].T
        error = (codes.numpy().mean(axis=0) - MEANS[label]) / np.sqrt(np.diag(covariance) / 4000)
        assert (np.abs(error) < 4.5).all()
        np.testing.assert_allclose(np.cov(codes.numpy().T), covariance, atol=0.25)
    drawn = model.seed_codes(seeds, tf.fill([4000], tf.constant(-1, tf.int64)))["latents"]
    np.testing.assert_array_equal(drawn, model.seed_codes(seeds)["latents"])
    np.testing.assert_allclose(drawn.numpy().mean(axis=0), WEIGHTS @ MEANS, atol=0.15)


def test_the_discriminator_sees_the_class_beside_the_code():
    # Components without width: the sample of a known class is its mean.
    discriminator = networks.mlp_discriminator(2 + NUM_CLASSES + 1, units=(8,), seed=3)
    model = _model(_isotropic(1e-5), Adversarial(discriminator))
    mean = WEIGHTS @ MEANS
    deviation = np.sqrt(WEIGHTS @ (MEANS - mean) ** 2)

    def judge(points, labels):
        one_hot = np.eye(NUM_CLASSES + 1)[labels]  # -1, unknown, is the last
        seen = np.concatenate([(points - mean) / deviation, one_hot], axis=1)
        return forward(discriminator, seen)[:, 0]

    codes = _codes(model)
    fooling = np.logaddexp(0, -judge(codes, LABELS)).mean()
    np.testing.assert_allclose(measure(model, LABELS)["latent_divergence"], fooling, rtol=1e-4)
    real, generated = judge(MEANS[KNOWN], KNOWN), judge(codes, KNOWN)
    logs = measure(model, KNOWN)
    telling = np.logaddexp(0, -real).mean() + np.logaddexp(0, generated).mean()
    np.testing.assert_allclose(logs["latent_discriminator_loss"], telling, rtol=1e-4)
    accuracy = ((real > 0).mean() + (generated < 0).mean()) / 2
    np.testing.assert_allclose(logs["latent_discriminator_accuracy"], accuracy, rtol=1e-5)


def test_the_mmd_is_measured_label_by_label():
    scale = 0.5
    kernel = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=np.float32(1.0))
    model = _model(_isotropic(scale), MMD(kernel, estimator="biased"))

    def bump(a, b, variance):
        squared = ((a[:, None] - b[None]) ** 2).sum(axis=-1)
        return np.exp(-squared / (2 * variance)) / variance

    codes, expected = _codes(model), 0.0
    for label in (-1, 0, 1, 2):
        group = codes[label == LABELS]
        weights = WEIGHTS if label < 0 else np.eye(NUM_CLASSES)[label]
        to_prior = bump(group, MEANS, 1 + scale**2) @ weights
        within_prior = weights @ bump(MEANS, MEANS, 1 + 2 * scale**2) @ weights
        squared = within_prior - 2 * to_prior.mean() + bump(group, group, 1.0).mean()
        expected += len(group) / len(codes) * squared
    np.testing.assert_allclose(measure(model, LABELS)["latent_divergence"], expected, rtol=1e-4)


def test_no_labels_at_all_are_unknown_ones_when_measuring():
    model = _model()
    assert measure(model) == measure(model, np.full(40, -1))
    assert measure(model) != measure(model, LABELS)


@pytest.mark.integration
@pytest.mark.usefixtures("graph_steps")
@pytest.mark.parametrize(("divergence", "rate"), [("adversarial", 0.003), ("mmd", 0.01)])
def test_labels_decide_which_component_a_class_goes_to(divergence, rate):
    generator = np.random.default_rng(0)
    classes = np.arange(150) % NUM_CLASSES
    inputs = (0.8 * np.eye(4)[classes] + 0.05 * generator.random((150, 4))).astype("float32")
    labels = np.where(np.arange(150) < 60, classes, -1)
    if divergence == "adversarial":
        discriminator = networks.mlp_discriminator(2 + NUM_CLASSES + 1, units=(32,), seed=3)
        divergence = Adversarial(discriminator)
    encoder = networks.mlp_encoder((4,), units=(32,), seed=1)
    model = _model(priors.ring_mixture(NUM_CLASSES), divergence, encoder=encoder)
    model.compile(keras.optimizers.Adam(rate, beta_1=0.5), keras.optimizers.Adam(0.01, beta_1=0.5))
    model.fit(inputs, labels, batch_size=50, epochs=100, verbose=0)
    assert (model.classify(inputs).argmax(axis=1) == classes).mean() > 0.95
