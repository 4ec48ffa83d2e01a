"""Trainings in half precision are those of float32, up to rounding."""

import contextlib
import functools

import keras
import numpy as np
import pytest

from aae_tf import divergences, losses, models, networks, posteriors, priors
from tests.models import small
from tests.models.small import INPUTS, KNOWN, LABELS, NUM_CLASSES

pytestmark = pytest.mark.usefixtures("eager_steps")

POLICIES = ("mixed_bfloat16", "mixed_float16")
# Units in the last place of a number of 8 and of 11 bits.
SPACING = {"mixed_bfloat16": 2.0**-7, "mixed_float16": 2.0**-10}


def _adam():
    """An optimizer whose gradients fit into float16 from the first step on, if it is scaled."""
    adam = keras.optimizers.Adam(1e-3)
    if keras.config.dtype_policy().name != "mixed_float16":
        return adam
    return keras.optimizers.LossScaleOptimizer(adam, initial_scale=2.0**7)


def _class_style(cls, **kwargs):
    return small.build(
        cls,
        style_prior=priors.gaussian(2),
        consistency=losses.VirtualAdversarial(0.5, finite_difference=10.0),
        information="mutual_information",
        **kwargs,
    )


def _game(width):
    return divergences.Adversarial(
        networks.mlp_discriminator(width, units=(16,), seed=4),
        label_smoothing=0.1,
        gradient_penalty=0.3,
    )


# A model of every class, and the labels that it is given.
BUILDERS = {
    "aae": (
        lambda: small.build(
            models.AAE, prior=priors.gaussian(2), posterior="universal", divergence=_game(2)
        ),
        None,
    ),
    "label-guided": (
        lambda: small.build(
            models.LabelGuidedAAE,
            prior=priors.ring_mixture(NUM_CLASSES),
            num_classes=NUM_CLASSES,
            divergence="mmd",
        ),
        LABELS,
    ),
    "supervised": (
        lambda: small.build(
            models.SupervisedAAE,
            2 + NUM_CLASSES,
            prior=priors.uniform(2),
            num_classes=NUM_CLASSES,
            posterior=posteriors.Deterministic(normalize=True),
            divergence=_game(2),
        ),
        KNOWN,
    ),
    "semi-supervised": (
        lambda: _class_style(
            models.SemiSupervisedAAE,
            code_dim=2 + NUM_CLASSES,
            num_classes=NUM_CLASSES,
            style_divergence=divergences.MMD(standardized=True, weight=1.0),
            class_divergence=_game(NUM_CLASSES),
        ),
        LABELS,
    ),
    "clustering": (
        lambda: _class_style(
            models.ClusteringAAE,
            code_dim=2 + NUM_CLASSES,
            num_clusters=NUM_CLASSES,
            style_divergence=_game(2),
            class_divergence="mmd",
        ),
        None,
    ),
    "embedding": (
        lambda: _class_style(
            models.EmbeddingAAE,
            code_dim=2,
            num_clusters=NUM_CLASSES,
            style_divergence=divergences.MMD(prior_terms="sampled", num_features=64),
            class_divergence=_game(NUM_CLASSES),
        ),
        LABELS,
    ),
    "vae": (lambda: small.build(models.VAE, prior=priors.gaussian(2)), None),
    "gan": (lambda: small.build(models.GAN, prior=priors.gaussian(2), divergence=_game(4)), None),
    "gmmn": (lambda: small.build(models.GMMN, prior=priors.gaussian(2)), None),
}


def test_every_class_is_here():
    found = {getattr(models, name) for name in models.__all__}
    trained = {cls for cls in found if isinstance(cls, type) and issubclass(cls, models.BaseModel)}
    built = {type(build()) for build, _ in BUILDERS.values()}
    assert built == trained - {models.BaseModel, models.BaseAAE, models.ClassStyleAAE}


@functools.cache
def _trained(name, policy):
    """Logs of two steps, and what the model then makes of its inputs."""
    keras.config.set_dtype_policy(policy)
    build, labels = BUILDERS[name]
    model = build()
    schedule = "joint" if name == "vae" else "alternating"
    model.compile(_adam(), schedule=schedule)
    logs = small.gradient_step(model, labels, epochs=2)
    codes = INPUTS[:, :2] if isinstance(model, models.GAN) else model.encode(INPUTS)
    keras.config.set_dtype_policy("float32")
    return logs, codes, model


@pytest.mark.integration
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", BUILDERS)
def test_every_class_trains_as_in_float32(name, policy):
    expected, codes, _ = _trained(name, "float32")
    logs, found, model = _trained(name, policy)
    assert logs.keys() == expected.keys()
    spacing = SPACING[policy]
    for key, values in logs.items():
        # Of 40 rows, one that is near a threshold may fall on its other side.
        tolerance = 1 / 40 if key.endswith("accuracy") else 4 * spacing
        np.testing.assert_allclose(values, expected[key], tolerance, tolerance, err_msg=key)
    assert logs["skipped_updates"] == [0.0, 0.0]
    np.testing.assert_allclose(found, codes, rtol=8 * spacing, atol=8 * spacing)
    low = {layer.compute_dtype for layer in model._flatten_layers()}
    assert policy.removeprefix("mixed_") in low
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    for optimizer in (model.optimizer, model.discriminator_optimizer):
        scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        assert optimizer is None or scaled == (policy == "mixed_float16")


@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_measured_is_float32(policy):
    """Bits that half precision would lose are there, beside those that its layers have lost."""
    keras.config.set_dtype_policy(policy)
    model = BUILDERS["semi-supervised"][0]()
    codes = model.sample_codes(small.batch(LABELS), [0, 1], training=True)
    for name, code in codes.items():
        assert code.dtype == "float32", name
        half = code.numpy().astype(model.encoder.compute_dtype).astype("float32")
        assert not np.array_equal(half, code), name
    np.testing.assert_allclose(codes["class_probabilities"].numpy().sum(axis=1), 1.0, atol=1e-6)
    logits = model.class_divergence.discriminator(codes["class_probabilities"])
    assert logits.dtype == "float32"
    assert model.decoder(np.zeros((1, 5))).dtype == "float32"


@pytest.mark.parametrize("policy", POLICIES)
def test_features_reach_the_head_as_they_are(policy):
    keras.config.set_dtype_policy(policy)
    # Beyond the largest number of float16, and between two numbers of bfloat16.
    features = np.float32([[70_001.0, 1.0]])
    for name in ("deterministic", "gaussian", "universal"):
        posterior = posteriors.get(name)
        posterior.connect(feature_dim=2, code_dim=2, seed=0)
        layer = posterior.feature_layer if name == "universal" else posterior.mean_layer
        expected = small.dense(layer, features.astype("float64"))
        found = posterior(features)["features" if name == "universal" else "mean"]
        np.testing.assert_allclose(found, expected, rtol=1e-5, err_msg=name)


@pytest.mark.sampled
@pytest.mark.parametrize("policy", POLICIES)
def test_activity_of_a_layer_is_a_term_of_the_loss(policy):
    keras.config.set_dtype_policy(policy)
    inputs = keras.Input((4,))
    layer = keras.layers.Dense(8, activity_regularizer=keras.regularizers.L2(0.5))
    model = small.build(
        models.AAE, encoder=keras.Model(inputs, layer(inputs)), prior=priors.gaussian(2)
    )
    model.compile()
    activity = 0.5 * (small.dense(layer, INPUTS) ** 2).sum() / len(INPUTS)
    logs = small.gradient_step(model)
    terms = logs["reconstruction_loss"][0] + logs["latent_divergence"][0]
    # Keras sums the squares in half precision.
    assert logs["loss"][0] - terms == pytest.approx(activity, rel=0.02)


@pytest.mark.thorough
def test_layers_keep_policies_of_their_own(tmp_path):
    expected, _, _ = _trained("aae", "float32")
    low = keras.dtype_policies.DTypePolicy("mixed_bfloat16")
    inputs = keras.Input((4,))
    x = keras.layers.Dense(8, "relu", kernel_initializer="ones", dtype=low)(inputs)
    encoder = keras.Model(inputs, keras.layers.Dense(8, dtype="float32")(x))
    keras.config.set_dtype_policy("mixed_float16")
    decoder = networks.mlp_decoder((4,), 2, units=(8,), seed=2)
    keras.config.set_dtype_policy("float32")
    model = small.build(models.AAE, encoder=encoder, decoder=decoder, prior=priors.gaussian(2))
    model.compile("adam", schedule="alternating")
    # One layer of float16 is enough: gradients of all that is below it pass through.
    players = (model.optimizer, model.discriminator_optimizer, model.regularization_optimizer)
    for optimizer in players:
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    logs = small.gradient_step(model, epochs=2)
    assert logs.keys() == expected.keys()
    assert np.isfinite(logs["loss"]).all() and logs["skipped_updates"] == [0.0, 0.0]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for network, dtypes in (
        (loaded.encoder, ["bfloat16", "float32"]),
        (loaded.decoder, ["float16", "float16"]),
        (loaded.divergence.discriminator, ["float32"] * 3),
    ):
        dense = [x for x in network.layers if isinstance(x, keras.layers.Dense)]
        assert [layer.compute_dtype for layer in dense] == dtypes
    assert small.gradient_step(model) == small.gradient_step(loaded)


@pytest.mark.sampled
@pytest.mark.parametrize("policy", POLICIES)
def test_round_trip_keeps_the_policy_and_goes_on(tmp_path, policy):
    keras.config.set_dtype_policy(policy)
    model = BUILDERS["semi-supervised"][0]()
    model.compile(_adam())
    small.gradient_step(model, LABELS)
    model.save(tmp_path / "model.keras")
    keras.config.set_dtype_policy("float32")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.dtype_policy.name == policy
    np.testing.assert_array_equal(loaded.encode(INPUTS), model.encode(INPUTS))
    assert small.gradient_step(loaded, LABELS) == small.gradient_step(model, LABELS)

    # The weights are float32, so that a model of float32 takes them; it has no scale to take.
    full = BUILDERS["semi-supervised"][0]()
    full.compile(keras.optimizers.Adam(1e-3))
    has_scale = policy == "mixed_float16"
    skips = pytest.warns(UserWarning, match="Skipping variable loading for optimizer")
    with skips if has_scale else contextlib.nullcontext():
        full.load_weights(tmp_path / "model.keras")
    assert int(full.optimizer.iterations) == (0 if has_scale else 1)
    mixed = keras.models.load_model(tmp_path / "model.keras")
    spacing = SPACING[policy]
    for method in ("encode", "classify", "reconstruct"):
        full_answer, mixed_answer = (getattr(each, method)(INPUTS) for each in (full, mixed))
        np.testing.assert_allclose(full_answer, mixed_answer, rtol=4 * spacing, atol=4 * spacing)
        assert not np.array_equal(full_answer, mixed_answer)
