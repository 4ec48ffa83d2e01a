import math

import pytest

from aae_tf import divergences, posteriors
from aae_tf.cli import recipe as recipe_module
from aae_tf.cli.build import build_model
from aae_tf.cli.recipe import Recipe

SHAPE = (8, 8, 1)


def tiny(**kwargs):
    return Recipe(**{"units": (16,), "code_dim": 2, **kwargs})


def test_names_are_those_of_the_package():
    for name in recipe_module.POSTERIORS:
        posteriors.get(name)
    for name in recipe_module.DIVERGENCES:
        divergences.get(name)
    for schedule in recipe_module.SCHEDULES:
        for loss in recipe_module.RECONSTRUCTION_LOSSES:
            build_model(tiny(schedule=schedule, reconstruction_loss=loss), SHAPE)


def test_every_option_reaches_the_model():
    model = build_model(
        tiny(
            code_dim=3,
            prior_scale=2.0,
            posterior="gaussian",
            divergence_weight=0.5,
            units=(24, 16),
            discriminator_units=(12, 4),
            schedule="alternating",
            reconstruction_loss="bernoulli",
            learning_rate=2e-3,
            discriminator_learning_rate=3e-4,
            steps_per_execution=7,
            seed=5,
        ),
        SHAPE,
    )
    assert model.prior.stddev().numpy().tolist() == [2.0, 2.0, 2.0]
    assert isinstance(model.posterior, posteriors.Gaussian)
    assert model.divergence.weight == 0.5
    assert [layer.units for layer in dense(model.encoder)] == [24, 16]
    assert [layer.units for layer in dense(model.decoder)] == [16, 24, 64]
    assert [layer.units for layer in dense(model.divergence.discriminator)] == [12, 4, 1]
    config = model.get_compile_config()
    assert config["schedule"] == model.schedule == "alternating"
    assert config["reconstruction_loss"] == "bernoulli"
    assert float(model.optimizer.learning_rate) == pytest.approx(2e-3)
    assert float(model.discriminator_optimizer.learning_rate) == pytest.approx(3e-4)
    assert model.steps_per_execution == 7
    assert model.seed == 5


def dense(network):
    return [layer for layer in network.layers if hasattr(layer, "units")]


def test_defaults_are_the_papers_networks_and_a_slow_discriminator():
    model = build_model(Recipe(), SHAPE)
    assert [layer.units for layer in dense(model.encoder)] == [1000, 1000]
    assert [layer.units for layer in dense(model.divergence.discriminator)] == [1000, 1000, 1]
    assert float(model.discriminator_optimizer.learning_rate) == pytest.approx(1e-4)


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
    model = build_model(tiny(prior=prior, prior_scale=scale), SHAPE)
    assert model.prior.stddev().numpy() == pytest.approx([stddev, stddev], rel=1e-5)


def test_convolutions_and_mmd():
    model = build_model(tiny(network="conv", divergence="mmd", divergence_weight=7.0), SHAPE)
    assert any("conv" in layer.name for layer in model.encoder.layers)
    assert model.encoder.output_shape == (None, 16)
    assert isinstance(model.divergence, divergences.MMD)
    assert model.divergence.weight == 7.0
    assert build_model(Recipe(network="conv"), SHAPE).encoder.output_shape == (None, 256)


def test_weights_are_a_function_of_the_seed():
    def weights(seed):
        model = build_model(tiny(seed=seed, discriminator_units=(8,)), SHAPE)
        return [variable.numpy().sum() for variable in model.trainable_variables]

    assert weights(1) == weights(1)
    assert weights(1) != weights(2)


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("model", "vae", "Expected `model` to be one of 'aae'"),
        ("prior", "a", "Expected `prior` to be one of 'gaussian', 'ring_mixture', 'uniform'"),
        ("posterior", "a", "Expected `posterior` to be one of 'deterministic', 'gaussian'"),
        ("divergence", "kl", "Expected `divergence` to be one of 'adversarial', 'mmd'"),
        ("network", "a", "Expected `network` to be one of 'mlp', 'conv'"),
        ("schedule", "a", "Expected `schedule` to be one of 'joint', 'alternating'"),
        ("reconstruction_loss", "mse", "Expected `reconstruction_loss` to be one of"),
        ("code_dim", 0, "Expected `code_dim` to be a positive integer"),
        ("epochs", -1, "Expected `epochs` to be a positive integer"),
        ("batch_size", 0, "Expected `batch_size` to be a positive integer"),
        ("steps_per_execution", 0, "Expected `steps_per_execution` to be a positive integer"),
        ("units", (16, 0), "Expected `units` to be a sequence of positive integers"),
        ("discriminator_units", (-1,), "Expected `discriminator_units` to be a sequence"),
        ("prior_scale", 0.0, "Expected `prior_scale` to be positive"),
        ("learning_rate", float("nan"), "Expected `learning_rate` to be finite"),
        ("discriminator_learning_rate", -1.0, "Expected `discriminator_learning_rate` to be posi"),
        ("divergence_weight", -1.0, "Expected `divergence_weight` to be a finite number"),
        ("seed", -1, "Expected `seed` to be at least 0"),
        ("seed", 2**32, "Expected `seed` to be at most"),
    ],
)
def test_refuses_values(argument, value, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**{argument: value})


@pytest.mark.parametrize(
    "option", [{"discriminator_units": (8,)}, {"discriminator_learning_rate": 0.1}]
)
def test_refuses_a_discriminators_options_without_one(option):
    with pytest.raises(ValueError, match=f"Expected `{next(iter(option))}` to be left out"):
        Recipe(divergence="mmd", **option)
