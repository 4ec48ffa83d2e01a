"""The policies that keep the two sides of a game level, one step at a time."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from aae_tf import SemiSupervisedAAE, divergences, networks, priors
from aae_tf.models import Balance
from tests.models import small
from tests.models.small import LABELS

pytestmark = pytest.mark.usefixtures("eager_steps")


def discriminator_weights(model):
    return model.divergence.discriminator.get_weights()


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def game(make_aae, balance, **kwargs):
    discriminator = networks.mlp_discriminator(2, units=(6,), seed=3)
    model = make_aae(divergence=divergences.Adversarial(discriminator))
    model.compile(keras.optimizers.Adam(1e-2), balance=balance, **kwargs)
    return model


def step(model, images):
    return model.fit(images, batch_size=64, shuffle=False, verbose=0).history


@pytest.mark.parametrize("schedule", ["joint", "alternating"])
def test_discriminator_that_wins_waits(make_aae, images, schedule):
    model = game(make_aae, Balance(lowest=0.01, highest=0.02), schedule=schedule)
    before, encoder = discriminator_weights(model), model.encoder.get_weights()
    logs = step(model, images)
    assert logs["latent_discriminator_accuracy"][0] > 0.3
    assert same(before, discriminator_weights(model))
    assert int(model.discriminator_optimizer.iterations) == 0
    assert logs["skipped_updates"] == [0.0], "waiting is not skipping"
    assert not same(encoder, model.encoder.get_weights())


@pytest.mark.parametrize("schedule", ["joint", "alternating"])
def test_encoder_that_wins_waits(make_aae, images, schedule):
    results = []
    for weight, balance in ((1.0, Balance(lowest=0.98, highest=0.99, memory=1)), (0.0, "fixed")):
        model = game(make_aae, balance, schedule=schedule)
        model.divergence.weight = weight
        logs = step(model, images)
        results.append((model.encoder.get_weights(), discriminator_weights(model), logs))
    (encoder, discriminator, logs), (alone, other, _) = results
    assert same(encoder, alone), "as if its adversarial loss had no weight"
    assert same(discriminator, other), "which does not change the discriminator's step"
    assert logs["latent_divergence"][0] > 0.1, "the loss is logged without the factor"


@pytest.mark.parametrize("schedule", ["joint", "alternating"])
def test_within_the_band_all_is_as_without(make_aae, images, schedule):
    results = []
    for balance in (Balance(lowest=0.01, highest=0.99), "fixed"):
        model = game(make_aae, balance, schedule=schedule)
        logs = [step(model, images) for _ in range(3)]
        results.append((model.get_weights(), logs))
    assert same(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]


def test_running_accuracy_is_an_exponential_mean(make_aae, images):
    model = game(make_aae, Balance(lowest=0.2, highest=0.8, memory=4))
    expected = 0.5
    for _ in range(5):
        accuracy = step(model, images)["latent_discriminator_accuracy"][0]
        expected += (accuracy - expected) / 4
    np.testing.assert_allclose(model._referee.state.numpy(), [expected], rtol=1e-5)


@pytest.mark.parametrize("schedule", ["joint", "alternating"])
@pytest.mark.parametrize(("balance", "made"), [("fixed", 3), ("ahead", 1), ("behind", 3)])
def test_discriminator_steps(make_aae, images, schedule, balance, made):
    bands = {"ahead": Balance(0.01, 0.99), "behind": Balance(0.98, 0.99)}
    model = game(make_aae, bands.get(balance, balance), schedule=schedule, discriminator_steps=3)
    step(model, images)
    assert int(model.discriminator_optimizer.iterations) == made
    assert int(model.optimizer.iterations) == 1


def test_further_steps_see_the_same_codes_and_new_prior_samples(make_aae, images):
    model = game(make_aae, "fixed", discriminator_steps=3)
    seen = []
    compare = model.divergence.compare

    def spy(codes, seed, *args, **kwargs):
        seen.append((codes.numpy(), model.divergence.sample_prior(codes, seed).numpy()))
        return compare(codes, seed, *args, **kwargs)

    model.divergence.compare = spy
    step(model, images)
    codes, samples = zip(*seen, strict=True)
    assert len(codes) == 3 and same(codes[1:], codes[:-1])
    assert not same(samples[1:], samples[:-1])


@pytest.mark.usefixtures("graph_steps")
def test_one_of_two_games_waits_alone_within_a_graph():
    def trained(balance):
        model = small.build(
            SemiSupervisedAAE, 2 + 3, style_prior=priors.gaussian(2), num_classes=3, seed=0
        )
        before = [d.discriminator.get_weights() for d in model._divergences.values()]
        model.compile(keras.optimizers.SGD(0.1), balance=balance)
        logs = small.gradient_step(model, LABELS)
        games = zip(before, model._divergences.items(), strict=True)
        moved = {k: not same(a, d.discriminator.get_weights()) for a, (k, d) in games}
        return moved, [logs[f"{k}_discriminator_accuracy"][0] for k in ("style", "class")]

    moved, (style, classes) = trained("fixed")
    assert moved == {"style": True, "class": True} and style != classes
    middle = 0.5 * (style + classes)
    moved, _ = trained(Balance(lowest=0.01, highest=middle, memory=1))
    assert moved == {"style": style < middle, "class": classes < middle}


@pytest.mark.parametrize("schedule", ["joint", "alternating"])
def test_gradient_norms_are_those_of_each_weighted_term(make_aae, images, schedule):
    model = game(make_aae, "fixed", log_gradient_norms=True, schedule=schedule)
    model.compile(keras.optimizers.SGD(0.0), log_gradient_norms=True, schedule=schedule)
    model.divergence.weight = 3.0
    logs = step(model, images)
    variables = model.encoder.trainable_variables + model.posterior.trainable_variables
    variables = [variable.value for variable in variables]
    with tf.GradientTape(persistent=True) as tape:
        codes = model.posterior(model.encoder(images))
        codes = next(iter(codes.values()))
        error = 0.5 * tf.reduce_sum((model.decoder(codes) - images) ** 2) / len(images)
        fooling = 3.0 * tf.reduce_mean(tf.nn.softplus(-model.divergence.discriminator(codes)))
    for key, loss in {"reconstruction": error, "latent": fooling}.items():
        norm = tf.linalg.global_norm(tape.gradient(loss, variables)).numpy()
        np.testing.assert_allclose(logs[f"{key}_gradient_norm"][0], norm, rtol=1e-4, err_msg=key)


def test_compile_arguments_are_saved(make_aae, images, tmp_path):
    model = game(
        make_aae, Balance(0.4, 0.7, memory=9), discriminator_steps=2, log_gradient_norms=True
    )
    step(model, images)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    arguments = loaded._compile_arguments
    assert arguments["balance"].get_config() == {"lowest": 0.4, "highest": 0.7, "memory": 9}
    assert arguments["discriminator_steps"] == 2 and arguments["log_gradient_norms"] is True
    assert step(model, images) == step(loaded, images)


@pytest.mark.parametrize("arguments", [{"lowest": 0.9}, {"highest": 1.0}, {"lowest": 0.0}])
def test_balance_refuses_what_is_no_band(arguments):
    with pytest.raises(ValueError, match="`lowest` and `highest` to be accuracies with 0 < lowest"):
        Balance(**arguments)


def test_compile_refuses(make_aae):
    with pytest.raises(ValueError, match="`balance` to be 'fixed', 'adaptive' or a Balance"):
        make_aae().compile(balance="dynamic")
    with pytest.raises(ValueError, match="`discriminator_steps` to be a positive integer"):
        make_aae().compile(discriminator_steps=0)
    with pytest.raises(TypeError, match="`log_gradient_norms` to be a bool"):
        make_aae().compile(log_gradient_norms=1)
    with pytest.raises(ValueError, match="`memory` to be a positive integer"):
        Balance(memory=0)
