import math

import keras
import numpy as np
import pytest

from aae_tf import divergences, mmd, posteriors
from aae_tf.runs.builders import build_model
from aae_tf.runs.named_recipes import make_recipe
from aae_tf.runs.training_data import TrainingData, WindowColumns

DATA = TrainingData((8, 8, 1), 10, None, steps_per_epoch=20, fit={})
CLASS_STYLE = ("semi-supervised", "clustering", "embedding")


def build(data=DATA, **options):
    return build_model(make_recipe({"units": (16,), "code_dim": 2, **options}), data)


def dense(network):
    return [layer for layer in network.layers if hasattr(layer, "units")]


def units(network):
    return [layer.units for layer in dense(network)]


def test_every_option_of_a_plain_model_reaches_it():
    model = build(
        code_dim=3,
        prior_scale=2.0,
        posterior="gaussian",
        divergence_weight=0.5,
        units=(24, 16),
        discriminator_units=(12, 4),
        activation="tanh",
        decoder_activation="elu",
        input_noise=0.3,
        dropout=0.2,
        decoder_input_noise=0.4,
        schedule="alternating",
        reconstruction_loss="bernoulli",
        reconstruction_weight=0.25,
        learning_rate=2e-3,
        discriminator_learning_rate=3e-4,
        regularization_learning_rate=4e-4,
        momentum=0.8,
        discriminator_momentum=0.7,
        regularization_momentum=0.6,
        steps_per_execution=7,
        seed=5,
    )
    assert model.prior.stddev().numpy().tolist() == [2.0, 2.0, 2.0]
    assert isinstance(model.posterior, posteriors.Gaussian)
    assert model.divergence.weight == 0.5
    assert units(model.encoder) == [24, 16]
    assert units(model.decoder) == [16, 24, 64]
    assert units(model.divergence.discriminator) == [12, 4, 1]
    assert dense(model.encoder)[0].activation is keras.activations.tanh
    assert dense(model.decoder)[0].activation is keras.activations.elu
    noise, dropout = model.encoder.layers[2:4]
    assert (noise.stddev, dropout.rate) == (0.3, 0.2)
    assert model.decoder.layers[1].stddev == 0.4
    config = model.get_compile_config()
    assert config["schedule"] == model.schedule == "alternating"
    assert config["reconstruction_loss"] == "bernoulli"
    assert config["reconstruction_weight"] == 0.25
    for optimizer, rate, beta in (
        (model.optimizer, 2e-3, 0.8),
        (model.discriminator_optimizer, 3e-4, 0.7),
        (model.regularization_optimizer, 4e-4, 0.6),
    ):
        assert float(optimizer.learning_rate) == pytest.approx(rate)
        assert optimizer.beta_1 == beta
    assert model.steps_per_execution == 7
    assert model.seed == 5


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["deterministic", "gaussian", "universal"])
def test_codes_are_normalised_if_asked(name):
    model = build(posterior=name, normalize_codes=True, prior_scale=3.0)
    assert type(model.posterior) is type(posteriors.get(name))
    assert model.posterior.normalize
    assert not build(posterior=name).posterior.normalize
    features = np.random.default_rng(0).normal(size=(50, 16)).astype("float32")
    parameters = model.posterior(features, training=True)
    if "mean" in parameters:
        np.testing.assert_allclose(np.std(parameters["mean"], axis=0), 3.0, rtol=1e-2)


@pytest.mark.parametrize("name", CLASS_STYLE)
def test_every_option_of_class_and_style_reaches_the_model(name):
    labels = {} if name == "clustering" else {"classification_weight": 0.3}
    model = build(
        model=name,
        units=(16,),
        discriminator_units=(12,),
        batch_normalization=True,
        divergence_weight=0.5,
        class_divergence="mmd",
        class_divergence_weight=3.0,
        class_divergence_start=0.0,
        consistency_weight=0.7,
        consistency_radius=2.0,
        consistency_difference=4.0,
        consistency_iterations=3,
        information_weight=0.6,
        information_marginal=2.0,
        **labels,
    )
    assert model.style_divergence.weight == 0.5
    assert units(model.style_divergence.discriminator) == [12, 1]
    assert isinstance(model.class_divergence, divergences.MMD)
    assert model.class_divergence.weight == 3.0
    assert any("batch_normalization" in layer.name for layer in model.encoder.layers)
    assert model.consistency.get_config() == {
        "radius": 2.0, "num_power_iterations": 3, "finite_difference": 4.0, "weight": 0.7,
    }  # fmt: skip
    assert model.information.get_config() == {"marginal_weight": 2.0, "weight": 0.6}
    if labels:
        assert model.classification_weight == 0.3
    assert model.num_classes == (16 if name == "clustering" else 10)


def test_terms_of_weight_zero_are_left_out():
    model = build(
        model="clustering", consistency_weight=0.0, information_weight=0.0, class_divergence="none"
    )
    assert model.consistency is model.information is model.class_divergence is None


@pytest.mark.parametrize(("name", "weight"), [("adversarial", 1.0), ("mmd", 100.0)])
def test_a_class_divergence_may_start_late(name, weight):
    model = build(model="clustering", class_divergence=name, class_divergence_start=0.3, epochs=10)
    schedule = model.class_divergence.weight
    assert [float(schedule(step)) for step in (0, 59, 60, 199)] == [0.0, 0.0, weight, weight]


class TestEmbedding:
    def test_heads_are_learned_or_fixed(self):
        learned = build(model="embedding", head_distance=4.0, head_weight=0.5)
        assert (learned.heads, learned.head_distance, learned.head_weight) == (None, 4.0, 0.5)
        fixed = build(model="embedding", heads_scale=7.0, code_dim=12)
        np.testing.assert_array_equal(fixed.cluster_heads, 7.0 * np.eye(10, 12))

    def test_refuses_clusters_that_are_no_classes(self):
        message = "Expected `clusters` to be the 10 classes of the labels; labels=0 uses none. Rec"
        with pytest.raises(ValueError, match=message):
            build(model="embedding", clusters=20)
        assert build(model="embedding", clusters=20, labels=0).num_clusters == 20

    def test_refuses_fixed_heads_without_room(self):
        with pytest.raises(ValueError, match="`code_dim` to be at least the number of clusters"):
            build(model="embedding", heads_scale=7.0)


def test_class_priors_follow_labels_that_are_all_known():
    shares = np.arange(1, 11) / 55
    data = DATA._replace(class_shares=shares)
    model = build(data, model="semi-supervised")
    np.testing.assert_allclose(model.class_prior.mean(), shares, rtol=1e-6)
    np.testing.assert_allclose(build(model="embedding").class_prior.mean(), 0.1, rtol=1e-6)


def test_a_label_guided_discriminator_sees_the_class():
    model = build(model="label-guided", discriminator_units=(4,))
    assert model.divergence.discriminator.input_shape == (None, 2 + 10 + 1)
    assert model.prior.components_distribution.batch_shape == (10,)


@pytest.mark.parametrize("name", ["gan", "gmmn"])
def test_generators_have_a_decoder_alone(name):
    model = build(model=name, units=(16, 4))
    assert units(model.decoder) == [4, 16, 64]
    assert not hasattr(model, "encoder")
    assert build(model="gan", discriminator_units=(4,)).divergence.discriminator.input_shape == (
        None,
        64,
    )


def test_vae():
    assert build(model="vae", kl_weight=0.5).kl_weight == 0.5


def test_defaults_are_the_papers_networks_and_a_slow_discriminator():
    model = build_model(make_recipe({}), DATA)
    assert units(model.encoder) == [1000, 1000]
    assert units(model.divergence.discriminator) == [1000, 1000, 1]
    assert float(model.discriminator_optimizer.learning_rate) == pytest.approx(1e-4)
    assert model.optimizer.beta_1 == model.discriminator_optimizer.beta_1 == 0.9


@pytest.mark.parametrize(
    ("prior", "scale", "stddev"),
    [
        ("gaussian", 5.0, 5.0),
        # On a ring of radius 2: E x^2 = r^2 / 2 + (radial^2 + tangential^2) / 2.
        (
            "ring_mixture",
            0.5,
            math.sqrt(2.0 + (0.25 + (2.0 * math.sin(math.pi / 10) / 3) ** 2) / 2),
        ),
        ("uniform", 3.0, math.sqrt(3.0)),
    ],
)
def test_prior_scale(prior, scale, stddev):
    model = build(prior=prior, prior_scale=scale)
    assert model.prior.stddev().numpy() == pytest.approx([stddev, stddev], rel=1e-5)


def test_a_swiss_roll_scales_whole():
    one, two = (
        build(prior="swiss_roll", prior_scale=scale).prior.components_distribution
        for scale in (1.0, 2.0)
    )
    assert one.batch_shape == (10,)
    for moment in ("mean", "stddev"):
        ratio = getattr(two.components_distribution, moment)() / (
            getattr(one.components_distribution, moment)()
        )
        np.testing.assert_allclose(ratio, 2.0, rtol=1e-4)


def test_convolutions_and_mmd():
    model = build(network="conv", divergence="mmd", divergence_weight=7.0)
    assert any("conv" in layer.name for layer in model.encoder.layers)
    assert model.encoder.output_shape == (None, 16)
    assert isinstance(model.divergence, divergences.MMD)
    assert model.divergence.weight == 7.0
    whole = build_model(make_recipe({"network": "conv"}), DATA)
    assert whole.encoder.output_shape == (None, 256)


def test_noise_reaches_convolutions():
    model = build(network="conv", input_noise=0.3, dropout=0.2, decoder_input_noise=2.0)
    noise, dropout = model.encoder.layers[1:3]
    assert (noise.stddev, dropout.rate) == (0.3, 0.2)
    # Keras has noise of at most 1: the codes are divided before it, and multiplied after it.
    assert [type(layer).__name__ for layer in model.decoder.layers[1:4]] == [
        "Rescaling", "RowGaussianNoise", "Rescaling",
    ]  # fmt: skip


def test_images_are_moved_in_training():
    x = np.zeros([64, 8, 8, 1], np.float32)
    x[:, 4, 4] = 1.0
    for network in ("conv", "mlp"):
        model = build(model="clustering", network=network, shift=0.25, rotation=20.0)
        names = [type(layer).__name__ for layer in model.encoder.layers[1:3]]
        assert names == ["RandomTranslation", "RandomRotation"]
        np.testing.assert_array_equal(model.encode(x), model.encode(x))
        features = np.asarray(model.encoder(x, training=True))
        # Each image moves by itself.
        assert len(np.unique(features.round(5), axis=0)) > 32
    moved = model.encoder.layers[1](x, training=True)
    # By at most a quarter of the side.
    assert np.abs(np.asarray(moved)[:, 2:7, 2:7]).sum() > 0.0
    np.testing.assert_allclose(np.asarray(moved)[:, [0, 1, 7]], 0.0, atol=1e-6)


def test_what_is_no_image_is_not_moved():
    vectors = DATA._replace(shape=(5,))
    with pytest.raises(ValueError, match=r"`rotation` to be left out but for images, .* \(5,\)"):
        build(vectors, rotation=3.0)


@pytest.mark.parametrize(
    ("name", "kernel", "weight"),
    [("energy", mmd.Energy, 10.0), ("sliced", mmd.SlicedGaussian, 100.0)],
)
def test_kernels_without_a_width_to_choose(name, kernel, weight):
    model = build(divergence=name)
    assert isinstance(model.divergence, divergences.MMD)
    assert isinstance(model.divergence.kernel, kernel)
    assert model.divergence.weight == weight
    model = build(model="clustering", divergence=name, class_divergence="none")
    assert isinstance(model.style_divergence.kernel, kernel)


def test_weights_of_terms_move_in_a_line():
    model = build(
        model="clustering",
        epochs=5,
        consistency_weight=0.0,
        consistency_weight_end=2.0,
        information_weight=0.4,
        information_weight_end=0.1,
    )

    def weights(step):
        return [float(term.weight(step)) for term in (model.consistency, model.information)]

    # 5 epochs of 20 steps.
    assert weights(0) == pytest.approx([0.0, 0.4])
    assert weights(50) == pytest.approx([1.0, 0.25])
    assert weights(100) == pytest.approx([2.0, 0.1])


def test_weights_are_a_function_of_the_seed():
    def weights(seed):
        model = build(seed=seed, discriminator_units=(8,))
        return [variable.numpy().sum() for variable in model.trainable_variables]

    assert weights(1) == weights(1)
    assert weights(1) != weights(2)


class TestOptimizers:
    def rates(self, optimizer, steps):
        return [float(optimizer._learning_rate(step)) for step in steps]

    def test_linear_to_zero_over_the_training(self):
        model = build(learning_rate_schedule="linear", epochs=5, learning_rate=0.4)
        assert self.rates(model.optimizer, (0, 50, 100)) == pytest.approx([0.4, 0.2, 0.0])
        discriminator = model.discriminator_optimizer
        assert self.rates(discriminator, (0, 50, 100)) == pytest.approx([0.04, 0.02, 0.0])

    def test_step_after_epochs(self):
        model = build(
            learning_rate_schedule="step", learning_rate_steps=(2, 3), learning_rate=0.4
        )  # fmt: skip
        # Steps 0 to 39 are the first two epochs of 20.
        assert self.rates(model.optimizer, (0, 39, 40, 59, 60)) == pytest.approx(
            [0.4, 0.4, 0.04, 0.04, 0.004]
        )

    def test_step_of_the_paper(self):
        model = build(learning_rate_schedule="step", learning_rate=0.4)
        steps = (0, 50 * 20 - 1, 50 * 20, 1000 * 20)
        assert self.rates(model.optimizer, steps) == pytest.approx([0.4, 0.4, 0.04, 0.004])

    def test_sgd(self):
        model = build(optimizer="sgd", momentum=0.7)
        assert isinstance(model.optimizer, keras.optimizers.SGD)
        assert model.optimizer.momentum == model.discriminator_optimizer.momentum == 0.7
        assert model.regularization_optimizer is None

    def test_regularization_takes_the_rate_of_the_rest(self):
        model = build(optimizer="sgd", schedule="alternating", learning_rate=0.3)
        assert float(model.regularization_optimizer.learning_rate) == pytest.approx(0.3)


def test_ring_radius_is_in_units_of_the_scale():
    prior = build(prior="ring_mixture", code_dim=2, prior_scale=0.5, ring_radius=6.0).prior
    radii = np.linalg.norm(prior.components_distribution.mean(), axis=1)
    np.testing.assert_allclose(radii, 3.0, rtol=1e-6)


def test_styles_are_matched_within_classes_if_asked():
    model = build(model="supervised", match_within_classes=True, discriminator_units=(12,))
    assert model.match_within_classes
    # The code, the ten classes and "unknown".
    assert model.divergence.discriminator.input_shape == (None, model.prior.event_shape[0] + 11)
    assert not build(model="supervised", match_within_classes=False).match_within_classes


WINDOWS = TrainingData(
    (8, 2), 3, None, steps_per_epoch=20, fit={},
    columns=WindowColumns(("load", "heat"), np.array([0.0, 5.0]), np.array([4.0, 9.0])),
)  # fmt: skip


@pytest.mark.parametrize(
    ("model", "network"), [("aae", "conv1d"), ("vae", "recurrent"), ("label-guided", "conv1d")]
)
def test_networks_of_windows_standardize_them(model, network):
    built = build(WINDOWS, model=model, network=network, time_column="time", window=8)
    kind = keras.layers.Conv1D if network == "conv1d" else keras.layers.GRU
    assert any(isinstance(layer, kind) for layer in built.encoder.layers)
    assert built.encoder.layers[1].input_mean == [0.0, 5.0]
    assert built.column_losses.deviations == (2.0, 3.0)
    assert built.column_names[:2] == ("load[0]", "heat[0]")
    assert built.decoder.layers[-1].invert
