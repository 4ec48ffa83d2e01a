"""The embedding model: W y + z by hand, and its heads."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy.special import logsumexp
from scipy.stats import norm

from aae_tf import EmbeddingAAE, priors
from aae_tf.divergences import MMD
from tests.models.small import (
    INPUTS,
    LABELS,
    NUM_CLASSES,
    build,
    dense,
    forward,
    gradient_step,
    measure,
    mmd_squared,
    softmax,
)

pytestmark = pytest.mark.usefixtures("eager_steps")

tfd = tfp.distributions

HEADS = np.float32([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.5]])


def _model(**kwargs):
    arguments = {
        "style_prior": priors.gaussian(2, scale=1.5),
        "num_clusters": NUM_CLASSES,
        "style_divergence": "mmd",
        "class_divergence": "mmd",
    }
    return build(EmbeddingAAE, **{**arguments, **kwargs})


def _parts(model):
    """Gives style and class of `INPUTS`, by NumPy."""
    features = forward(model.encoder, INPUTS)
    return dense(model.posterior.mean_layer, features), softmax(dense(model.class_head, features))


@pytest.mark.thorough
@pytest.mark.parametrize("heads", [None, HEADS])
def test_latents_are_the_style_around_the_heads(heads):
    model = _model(heads=heads)
    style, classes = _parts(model)
    expected = classes @ model.cluster_heads + style
    np.testing.assert_allclose(model.encode(INPUTS), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.classify(INPUTS), classes, rtol=1e-5)
    outputs = forward(model.decoder, expected)
    np.testing.assert_allclose(model.reconstruct(INPUTS), outputs, rtol=1e-4)
    np.testing.assert_allclose(model.decode(expected), outputs, rtol=1e-4)
    error = 0.5 * ((outputs - INPUTS) ** 2).sum(axis=1).mean()
    np.testing.assert_allclose(measure(model)["reconstruction_loss"], error, rtol=1e-4)


def test_samples_lie_around_the_head_of_their_cluster():
    model = _model(heads=HEADS)
    seeds = tf.constant(priors.row_seeds(30, 4))
    labels = np.arange(30) % NUM_CLASSES
    styles = priors.sample_rows(model.style_prior, seeds).numpy()
    codes = model.seed_codes(seeds, tf.constant(labels))
    np.testing.assert_allclose(codes["latents"], HEADS[labels] + styles, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(codes["class_probabilities"], np.eye(NUM_CLASSES)[labels])


def test_the_style_is_matched_and_not_the_sum():
    kernel = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=np.float32(1.0))
    point = np.float32([0.5, -1.0])
    divergence = MMD(kernel, "biased", "sampled")
    model = _model(style_prior=tfd.VectorDeterministic(point), style_divergence=divergence)
    style, _ = _parts(model)
    expected = mmd_squared(style, np.tile(point, [40, 1]))
    np.testing.assert_allclose(measure(model)["style_divergence"], expected, rtol=1e-4)


@pytest.mark.integration
@pytest.mark.usefixtures("graph_steps")
def test_heads_part_until_they_are_apart():
    model = _model(head_distance=4.0, head_weight=10.0)
    model._heads_layer.heads.assign(0.1 * HEADS)
    pairs = np.linalg.norm(0.1 * HEADS[[0, 0, 1]] - 0.1 * HEADS[[1, 2, 2]], axis=1)
    logs = measure(model)
    np.testing.assert_allclose(logs["head_loss"], (4.0 - pairs).sum(), rtol=1e-5)
    model.compile(keras.optimizers.Adam(0.05))
    history = gradient_step(model, LABELS, epochs=100)
    assert history["head_loss"][-1] < 0.05 < history["head_loss"][0]
    heads = model.cluster_heads
    assert (np.linalg.norm(heads[[0, 0, 1]] - heads[[1, 2, 2]], axis=1) > 3.9).all()


def test_given_heads_are_held():
    model = _model(heads=HEADS)
    model.compile(keras.optimizers.SGD(0.5))
    logs = gradient_step(model, LABELS, epochs=2)
    np.testing.assert_array_equal(model.cluster_heads, HEADS)
    assert "head_loss" not in logs
    loaded = EmbeddingAAE.from_config(model.get_config())
    np.testing.assert_array_equal(loaded.cluster_heads, HEADS)


def test_density_is_that_of_the_mixture_around_the_heads():
    frequencies = [0.2, 0.3, 0.5]
    model = _model(heads=HEADS, class_prior=priors.categorical(NUM_CLASSES, frequencies))
    latents = np.random.default_rng(0).normal(size=(9, 2)).astype("float32")
    log_joint = norm(0, 1.5).logpdf(latents[:, None] - HEADS).sum(axis=2) + np.log(frequencies)
    codes = {"latents": tf.constant(latents)}
    np.testing.assert_allclose(model.prior_log_prob(codes), logsumexp(log_joint, axis=1), rtol=1e-5)


def test_labels_may_be_there_or_not():
    keys = {"loss", "reconstruction_loss", "style_divergence", "class_divergence", "head_loss"}
    keys |= {"skipped_updates"}
    model = _model()
    model.compile()
    assert gradient_step(model).keys() == keys
    labelled = keys | {"classification_loss", "accuracy"}
    assert gradient_step(model, LABELS).keys() == labelled
    # A class without a label, and no label at all, are fine: clusters are not classes.
    assert gradient_step(model, np.full(40, -1)).keys() == labelled


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"heads": HEADS.T},
            ValueError,
            r"`heads` to have the shape \(num_clusters, width of the style\) \(3, 2\)",
        ),
        ({"heads": HEADS * np.nan}, ValueError, "`heads` to have finite values"),
        ({"head_distance": 0.0}, ValueError, "`head_distance` to be positive"),
        ({"head_weight": -1.0}, ValueError, "`head_weight` to be a finite number, zero or more"),
        ({"head_weight": "1"}, TypeError, "`head_weight` to be a number or a"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        _model(**arguments)
