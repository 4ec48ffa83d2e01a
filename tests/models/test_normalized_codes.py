"""Models whose posterior gives codes the moments of the prior."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from aae_tf import AAE, data, divergences, losses, models, networks, posteriors, priors
from tests.models import small
from tests.models.small import INPUTS, KNOWN, LABELS, NUM_CLASSES, dense, forward

pytestmark = pytest.mark.usefixtures("eager_steps")

PRIOR = priors.uniform(2, low=-3.0, high=9.0)


def build(cls, posterior=None, **kwargs):
    """A model of any class whose code is normalised, and the labels that it is fitted with."""
    posterior = posteriors.Gaussian(normalize=True) if posterior is None else posterior
    if cls is models.AAE:
        return small.build(cls, prior=PRIOR, posterior=posterior, divergence="mmd", **kwargs), None
    if cls is models.VAE:
        return small.build(cls, prior=PRIOR, posterior=posterior, **kwargs), None
    if cls is models.SupervisedAAE:
        arguments = {"prior": PRIOR, "num_classes": NUM_CLASSES, "divergence": "mmd"}
        return small.build(cls, 2 + NUM_CLASSES, posterior=posterior, **arguments, **kwargs), KNOWN
    if cls is models.LabelGuidedAAE:
        arguments = {"prior": priors.ring_mixture(NUM_CLASSES), "num_classes": NUM_CLASSES}
        arguments["divergence"] = "mmd"
        return small.build(cls, posterior=posterior, **arguments, **kwargs), LABELS
    arguments = {
        "style_prior": PRIOR,
        "style_divergence": "mmd",
        "class_divergence": "mmd",
        "consistency": losses.VirtualAdversarial(0.5),
    }
    is_embedding = cls is models.EmbeddingAAE
    arguments["num_classes" if cls is models.SemiSupervisedAAE else "num_clusters"] = NUM_CLASSES
    width = 2 if is_embedding else 2 + NUM_CLASSES
    model = small.build(cls, width, posterior=posterior, **arguments, **kwargs)
    return model, None if cls is models.ClusteringAAE else LABELS


def bare_mean(model):
    """What the head gives for `INPUTS` before it is normalised, by NumPy."""
    return dense(model.posterior.mean_layer, forward(model.encoder, INPUTS))


def step(model, labels=None, sample_weight=None):
    """One step on `INPUTS`, without tracing a graph for it."""
    model.train_step((tf.constant(INPUTS), labels, sample_weight))


VARIANTS = [
    models.AAE,
    models.LabelGuidedAAE,
    models.SupervisedAAE,
    models.SemiSupervisedAAE,
    models.ClusteringAAE,
    models.EmbeddingAAE,
    models.VAE,
]


@pytest.mark.sampled
@pytest.mark.parametrize("cls", VARIANTS)
def test_a_step_moves_the_averages_by_the_batch_alone_and_codes_have_the_moments(cls):
    model, labels = build(cls)
    bare = bare_mean(model)
    model.compile(keras.optimizers.SGD(0.0))
    step(model, labels)
    # Passes over disturbed inputs, for consistency, are none of these.
    layer = model.posterior.normalization
    np.testing.assert_allclose(layer.moving_mean, 0.1 * bare.mean(axis=0), rtol=1e-4, atol=1e-6)
    variance = 0.9 + 0.1 * bare.var(axis=0)
    np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-5)
    before = [layer.moving_mean.numpy(), layer.moving_variance.numpy()]
    model.test_step((tf.constant(INPUTS), labels, None))
    codes = model.encode_codes(INPUTS)["latents"]
    assert np.isfinite(codes).all()
    np.testing.assert_array_equal(before, [layer.moving_mean, layer.moving_variance])
    # Codes of training have the moments of the prior, whatever the averages are.
    codes = model.sample_codes(small.batch(labels), seed=[0, 1], training=True)
    prior = model.latent_prior
    units = (codes["mean"].numpy() - prior.mean().numpy()) / prior.stddev().numpy()
    np.testing.assert_allclose(units.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(units.std(axis=0), 1.0, atol=1e-2)


def test_the_alternating_schedule_encodes_twice():
    model, _ = build(models.AAE)
    bare = bare_mean(model)
    model.compile(keras.optimizers.SGD(0.0), schedule="alternating")
    step(model)
    layer = model.posterior.normalization
    np.testing.assert_allclose(layer.moving_mean, 0.19 * bare.mean(axis=0), rtol=1e-4, atol=1e-6)


def test_sample_weights_have_no_part_in_the_moments():
    def averages(sample_weight):
        model, _ = build(models.AAE)
        model.compile(keras.optimizers.SGD(0.0))
        step(model, None, sample_weight)
        layer = model.posterior.normalization
        return np.array([layer.moving_mean, layer.moving_variance])

    np.testing.assert_array_equal(averages(None), averages(np.arange(40) % 2))


@pytest.mark.thorough
@pytest.mark.usefixtures("graph_steps")
def test_batches_of_one_row():
    model, _ = build(models.AAE, posteriors.Deterministic(normalize=True))
    model.compile()
    # The last batch has one row.
    history = model.fit(INPUTS[:5], batch_size=4, epochs=2, shuffle=False, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    assert np.isfinite(model.encode(INPUTS)).all()
    codes = model.sample_codes(small.batch()._replace(inputs=INPUTS[:1]), [0, 1], training=True)
    np.testing.assert_allclose(codes["latents"], [[3.0, 3.0]], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["deterministic", "gaussian", "universal"])
def test_held_out_codes_have_the_deviation_of_the_prior(name):
    digits = data.load("digits")
    posterior = type(posteriors.get(name))(normalize=True)
    model = AAE(
        networks.mlp_encoder((8, 8, 1), units=(64,), seed=1),
        networks.mlp_decoder((8, 8, 1), 4, units=(64,), seed=2),
        prior=priors.gaussian(4, scale=5.0),
        posterior=posterior,
        divergence=divergences.MMD(weight=100.0),
        seed=0,
    )
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(digits.x_train, batch_size=100, epochs=8, verbose=0)
    codes = model.encode(digits.x_test)
    if name == "universal":
        batch = small.batch()._replace(inputs=digits.x_test)
        codes = model.sample_codes(batch, [0, 1], training=False)["latents"].numpy()
    # Three standard errors of a deviation from the test images; the averages add as much.
    tolerance = 3.0 * np.sqrt(2.0) / np.sqrt(2.0 * len(codes))
    np.testing.assert_allclose(codes.std(axis=0) / 5.0, 1.0, atol=tolerance)
    assert (np.abs(codes.mean(axis=0)) < 5.0 * 2.0 * tolerance).all()
