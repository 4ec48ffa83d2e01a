"""Models whose Gaussian posteriors the divergence integrates in place of sampling them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import divergences, mmd, models, posteriors, priors
from tests.models import small
from tests.models.small import INPUTS, KNOWN, LABELS, NUM_CLASSES

pytestmark = pytest.mark.usefixtures("eager_steps")

KERNEL = tfp.math.psd_kernels.ExponentiatedQuadratic(np.float32(1.0), np.float32(0.7))
PRIOR = priors.ring_mixture(3, radius=2.0)


def _integrated(**kwargs):
    return divergences.MMD(KERNEL, posterior_terms="closed_form", **kwargs)


def _aae(divergence, posterior="gaussian", prior=PRIOR):
    return small.build(models.AAE, prior=prior, posterior=posterior, divergence=divergence)


def _with_style(cls, divergence, posterior="gaussian", class_divergence="mmd"):
    classes = "num_classes" if cls is models.SemiSupervisedAAE else "num_clusters"
    return small.build(
        cls,
        2 if cls is models.EmbeddingAAE else 2 + NUM_CLASSES,
        style_prior=PRIOR,
        posterior=posterior,
        style_divergence=divergence,
        class_divergence=class_divergence,
        **{classes: NUM_CLASSES},
    )


def _supervised(divergence):
    return small.build(
        models.SupervisedAAE,
        2 + NUM_CLASSES,
        prior=PRIOR,
        num_classes=NUM_CLASSES,
        posterior="gaussian",
        divergence=divergence,
    )


def _value(model, estimator="unbiased", weight=None):
    """The estimate from the parameters that the model's own layers give."""
    parameters = model.posterior(model.encoder(INPUTS))
    variances = tf.exp(parameters["log_variance"])
    return mmd.squared_mmd_of_gaussians(
        parameters["mean"], variances, PRIOR, KERNEL, estimator, weight
    )


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("make", "labels", "key"),
    [
        (_aae, None, "latent_divergence"),
        (_supervised, KNOWN, "latent_divergence"),
        (lambda d: _with_style(models.ClusteringAAE, d), None, "style_divergence"),
        (lambda d: _with_style(models.SemiSupervisedAAE, d), LABELS, "style_divergence"),
        # The decoder's code is the sum of a head and the style; the style alone is compared.
        (lambda d: _with_style(models.EmbeddingAAE, d), LABELS, "style_divergence"),
    ],
    ids=["AAE", "SupervisedAAE", "ClusteringAAE", "SemiSupervisedAAE", "EmbeddingAAE"],
)
def test_every_model_compares_the_parameters_of_its_posterior(make, labels, key):
    model = make(_integrated())
    np.testing.assert_allclose(small.measure(model, labels)[key], _value(model), rtol=1e-5)


def test_sampled_codes_give_another_value():
    model = _aae(divergences.MMD(KERNEL))
    sampled = small.measure(model)["latent_divergence"]
    assert abs(sampled - float(_value(model))) > 1e-3


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("schedule", "estimator"), [("joint", "biased"), ("alternating", "unbiased")]
)
def test_a_step_descends_its_gradient(schedule, estimator):
    model = _aae(_integrated(estimator=estimator, weight=3.0))
    model.compile(keras.optimizers.SGD(0.5), schedule=schedule, reconstruction_weight=0.0)
    weight = np.random.default_rng(1).uniform(size=40).astype("float32")
    variables = [
        v.value for v in (*model.encoder.trainable_variables, *model.posterior.trainable_variables)
    ]
    with tf.GradientTape() as tape:
        loss = 3.0 * _value(model, estimator, weight)
    gradients = tape.gradient(loss, variables)
    # The variances are moved too.
    assert all(float(tf.reduce_max(abs(gradient))) > 1e-5 for gradient in gradients)
    expected = [v - 0.5 * g for v, g in zip(variables, gradients, strict=True)]
    small.gradient_step(model, sample_weight=weight)
    for value, after in zip(expected, variables, strict=True):
        np.testing.assert_allclose(after, value, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("graph_steps")
@pytest.mark.slow
@pytest.mark.parametrize(("schedule", "jit_compile"), [("joint", True), ("alternating", False)])
def test_training_draws_codes_to_the_prior(schedule, jit_compile):
    model = _aae(_integrated(weight=100.0), prior=priors.gaussian(2))
    model.compile(keras.optimizers.Adam(0.02), schedule=schedule, jit_compile=jit_compile)
    history = small.gradient_step(model, epochs=60)["latent_divergence"]
    assert np.isfinite(history).all()
    # Without the noise of codes, the last steps are as good as their mean.
    assert max(history[-5:]) < 0.1 * history[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: _aae(d, "deterministic"), "not drawn from a posteriors.Gaussian"),
        (lambda d: _aae(d, "universal"), "not drawn from a posteriors.Gaussian"),
        (
            lambda d: _with_style(models.EmbeddingAAE, d, "deterministic"),
            "not drawn from a posteriors.Gaussian",
        ),
        (
            lambda d: _with_style(models.ClusteringAAE, "mmd", class_divergence=d),
            "not drawn from a posteriors.Gaussian",
        ),
        (
            lambda d: small.build(models.GAN, prior=PRIOR, divergence=d),
            "not drawn from a posteriors.Gaussian",
        ),
        (
            lambda d: small.build(models.GMMN, prior=PRIOR, divergence=d),
            "not drawn from a posteriors.Gaussian",
        ),
        (lambda d: _aae(d, prior=priors.uniform(2, low=-1.0, high=1.0)), "have no closed form"),
        (
            lambda d: small.build(
                models.LabelGuidedAAE,
                prior=PRIOR,
                num_classes=3,
                posterior="gaussian",
                divergence=d,
            ),
            "where labels guide the codes",
        ),
    ],
)
def test_what_cannot_be_integrated_is_refused_before_training(make, message):
    with pytest.raises(ValueError, match=f"`posterior_terms` to be 'sampled' .*{message}"):
        make(_integrated())


def test_a_refused_divergence_can_be_given_again():
    divergence = _integrated()
    with pytest.raises(ValueError, match="`posterior_terms` to be 'sampled'"):
        _aae(divergence, "deterministic")
    assert small.measure(_aae(divergence))["latent_divergence"] > 0.0


def test_an_instance_of_the_posterior_serves_as_its_name():
    model = _aae(_integrated(estimator="linear"), posteriors.Gaussian(max_log_variance=2.0))
    value = small.measure(model)["latent_divergence"]
    np.testing.assert_allclose(value, _value(model, "linear"), rtol=1e-5)
