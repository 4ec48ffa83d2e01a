"""The supervised model against NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import chisquare

from aae_tf import SupervisedAAE, divergences, mmd, networks, priors
from tests.models.small import (
    INPUTS,
    KNOWN,
    NUM_CLASSES,
    build,
    dense,
    forward,
    measure,
)

pytestmark = pytest.mark.usefixtures("eager_steps")


def _model(**kwargs):
    arguments = {"prior": priors.gaussian(2), "num_classes": NUM_CLASSES, "divergence": "mmd"}
    return build(SupervisedAAE, 2 + NUM_CLASSES, **{**arguments, **kwargs})


def _decoded(model, codes, labels):
    return forward(model.decoder, np.concatenate([codes, np.eye(NUM_CLASSES)[labels]], axis=1))


def test_the_decoder_receives_the_one_hot_label():
    model = _model()
    codes = dense(model.posterior.mean_layer, forward(model.encoder, INPUTS))
    np.testing.assert_allclose(model.encode(INPUTS), codes, rtol=1e-5, atol=1e-6)
    error = 0.5 * ((_decoded(model, codes, KNOWN) - INPUTS) ** 2).sum(axis=1)
    logs = measure(model, KNOWN)
    np.testing.assert_allclose(logs["reconstruction_loss"], error.mean(), rtol=1e-5)
    assert measure(model, (KNOWN + 1) % NUM_CLASSES)["reconstruction_loss"] != error.mean()
    assert set(logs) == {"loss", "reconstruction_loss", "latent_divergence"}


def test_a_label_that_is_not_given_is_the_one_of_the_closest_reconstruction():
    model = _model()
    # Weights of the class large enough that labels matter.
    kernel, *rest = model.decoder.get_weights()
    model.decoder.set_weights([kernel * np.float32([[1], [1], [9], [9], [9]]), *rest])
    codes = model.encode(INPUTS)
    every = np.stack([_decoded(model, codes, np.full(40, k)) for k in range(NUM_CLASSES)])
    closest = ((every - INPUTS) ** 2).sum(axis=2).argmin(axis=0)
    assert len(set(closest)) > 1
    expected = every[closest, np.arange(40)]
    np.testing.assert_allclose(model.reconstruct(INPUTS), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model(INPUTS), expected, rtol=1e-4, atol=1e-6)


def test_samples_have_the_labels_asked_for():
    model = _model()
    labels = np.arange(12) % NUM_CLASSES
    codes = priors.sample_rows(priors.gaussian(2), priors.row_seeds(12, 5)).numpy()
    expected = _decoded(model, codes, labels)
    np.testing.assert_allclose(model.sample(12, labels=labels, seed=5), expected, rtol=1e-5)
    np.testing.assert_allclose(model.sample(labels=labels, seed=5), expected, rtol=1e-5)
    np.testing.assert_allclose(
        model.sample(12, labels=1, seed=5), _decoded(model, codes, np.full(12, 1)), rtol=1e-5
    )


def test_labels_not_asked_for_are_drawn_alike_often():
    seeds = tf.constant(priors.row_seeds(3000, 2))
    codes = _model().seed_codes(seeds)
    one_hot = codes["class_probabilities"].numpy()
    assert set(np.unique(one_hot)) == {0.0, 1.0} and (one_hot.sum(axis=1) == 1.0).all()
    assert chisquare(one_hot.sum(axis=0)).pvalue > 1e-3
    # The class of a row tells nothing of its style.
    for label in range(NUM_CLASSES):
        styles = codes["latents"].numpy()[one_hot[:, label] == 1]
        assert (np.abs(styles.mean(axis=0)) < 4.5 / np.sqrt(len(styles))).all()


def test_the_decoder_takes_mixed_labels():
    model = _model()
    codes = model.encode(INPUTS[:5])
    mixed = np.full((5, NUM_CLASSES), 1 / NUM_CLASSES)
    expected = forward(model.decoder, np.concatenate([codes, mixed], axis=1))
    np.testing.assert_allclose(model.decode(codes, mixed), expected, rtol=1e-5)


def test_within_classes_each_class_is_compared_with_the_whole_prior():
    kernel = mmd.default_kernel(priors.gaussian(2))
    model = _model(match_within_classes=True, divergence=divergences.MMD(kernel, "biased"))
    codes = model.encode(INPUTS)
    shares = np.bincount(KNOWN) / len(KNOWN)
    expected = sum(
        share * float(mmd.squared_mmd(codes[label == KNOWN], model.prior, kernel, "biased"))
        for label, share in enumerate(shares)
    )
    np.testing.assert_allclose(measure(model, KNOWN)["latent_divergence"], expected, rtol=1e-4)
    together = float(mmd.squared_mmd(codes, model.prior, kernel, "biased"))
    assert expected > together + 1e-3


def test_within_classes_the_discriminator_sees_the_label():
    width = 2 + NUM_CLASSES + 1
    model = _model(match_within_classes=True, divergence="adversarial")
    assert model.divergence.discriminator.input_shape == (None, width)
    # A discriminator that tells the last class and nothing else.
    network = networks.mlp_discriminator(width, units=(1,), seed=0)
    kernel = np.zeros((width, 1), "float32")
    kernel[2 + NUM_CLASSES - 1] = 1.0
    network.set_weights([kernel, np.zeros(1), np.float32([[10.0]]), np.float32([-5.0])])
    model = _model(match_within_classes=True, divergence=divergences.Adversarial(network))
    logits = np.where(KNOWN == NUM_CLASSES - 1, 5.0, -5.0)
    expected = np.log1p(np.exp(-logits)).mean()
    np.testing.assert_allclose(measure(model, KNOWN)["latent_divergence"], expected, rtol=1e-5)


def test_within_classes_the_prior_is_the_same_for_all():
    model = _model(match_within_classes=True)
    prior = model.codes["latent"].prior
    points = np.random.default_rng(0).normal(size=(7, 2)).astype("float32")
    np.testing.assert_allclose(
        prior.log_prob(points), model.prior.log_prob(points), rtol=1e-5, atol=1e-6
    )
    samples = priors.sample(prior, 4000, [0, 1], np.repeat(np.arange(NUM_CLASSES), 2000)[:4000])
    assert np.abs(np.mean(samples, axis=0)).max() < 4.5 / np.sqrt(4000)


def test_match_within_classes_is_a_bool():
    with pytest.raises(TypeError, match=r"Expected `match_within_classes` to be a bool"):
        _model(match_within_classes=1)
