"""The balance: how steep a discriminator is, and how far it steps, one step at a time."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from aae_tf import SemiSupervisedAAE, divergences, networks, priors
from aae_tf.models import Balance
from tests.models import small
from tests.models.small import LABELS

pytestmark = pytest.mark.usefixtures("eager_steps")

# A slow part that takes over what has been measured at once, and tells it.
QUICK = {"memory": 1, "start": 1.0}
SCALE = 3.0


def discriminator_weights(model):
    return model.divergence.discriminator.get_weights()


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def game(make_aae, balance, optimizer=None, objective="non_saturating", **kwargs):
    discriminator = networks.mlp_discriminator(2, units=(6,), seed=3)
    model = make_aae(
        prior=priors.gaussian(2, scale=SCALE),
        divergence=divergences.Adversarial(discriminator, objective=objective),
    )
    model.compile(optimizer or keras.optimizers.Adam(1e-2), balance=balance, **kwargs)
    return model


def step(model, images):
    return model.fit(images, batch_size=64, shuffle=False, verbose=0).history


def measured(model, balance):
    """What a balance of memory 1, and a band of one point, has measured at its one step."""
    return balance.lowest * np.exp(-model.trainer.balance.state.numpy())


def factor(balance, slow, steepness):
    """The rule of the docstring, in NumPy."""
    steepness = np.float64(steepness)
    distance = np.ones_like(steepness)
    distance = np.where(steepness < balance.lowest, balance.lowest / steepness, distance)
    distance = np.where(steepness > balance.highest, balance.highest / steepness, distance)
    return np.clip(slow * np.clip(distance**2, 0.01, 3.0), 0.001, 30.0)


STEEPNESS = np.float32([0.0, 0.01, 0.3, 0.45, 0.5, 0.6, 1.0, 1.2, 5.0, 1e4])


@pytest.mark.parametrize("slow", [0.002, 0.7, 20.0])
def test_factors_follow_the_rule(slow):
    balance = Balance(lowest=0.5, highest=1.0, start=0.2, memory=50)
    logarithms = np.full(len(STEEPNESS), np.log(slow), np.float32)
    found = balance.factor(logarithms, STEEPNESS).numpy()
    np.testing.assert_allclose(found, factor(balance, slow, STEEPNESS + 1e-6), rtol=1e-4)
    change = balance.follow(logarithms, STEEPNESS).numpy() - logarithms
    inside = (STEEPNESS >= 0.5) & (STEEPNESS <= 1.0)
    np.testing.assert_allclose(change[inside], 0.0, atol=1e-5)
    # One below and one above the band, and the furthest either way.
    expected = np.log([0.5 / 0.45, 1.0 / 1.2]) / 50
    np.testing.assert_allclose(change[[3, 7]], expected, rtol=1e-3)
    furthest = np.log(slow) + np.float32([2.0, -2.0]) / 50
    limits = np.log([0.001, 30.0])
    found = balance.follow(logarithms, STEEPNESS).numpy()[[0, -1]]
    np.testing.assert_allclose(found, np.clip(furthest, *limits), rtol=1e-5)


def test_factors_have_limits():
    balance = Balance()
    slow, measured = np.log(np.float32([0.001, 30.0])), np.float32([1e4, 0.0])
    np.testing.assert_allclose(balance.factor(slow, measured), [0.001, 30.0], rtol=1e-5)
    np.testing.assert_allclose(balance.follow(slow, measured), slow, rtol=1e-5)


@pytest.mark.sampled
@pytest.mark.parametrize("schedule", ["joint", "alternating"])
@pytest.mark.parametrize("objective", ["non_saturating", "least_squares"])
def test_steepness_is_that_of_the_encoder_loss_at_the_codes(make_aae, images, schedule, objective):
    # Within e^2 of it, beyond which the slow part would not follow at once.
    balance = Balance(0.3, 0.3, **QUICK)
    still = keras.optimizers.SGD(0.0)
    model = game(make_aae, balance, still, objective, schedule=schedule)
    codes = small.forward(model.encoder, images.reshape(len(images), -1))
    kernel, bias = next(x.get_weights() for x in model.posterior._flatten_layers() if x.weights)
    points = (codes @ kernel + bias) / SCALE
    (first, shift), (second, offset) = (
        layer.get_weights()
        for layer in model.divergence.discriminator.layers
        if isinstance(layer, keras.layers.Dense)
    )
    hidden = points @ first + shift
    logits = np.maximum(hidden, 0.0) @ second + offset
    logs = step(model, images)
    # In standard deviations of the prior, which is what the discriminator sees.
    slopes = ((hidden > 0.0) * second[:, 0]) @ first.T
    if objective == "non_saturating":
        slopes /= 1.0 + np.exp(logits)
    else:
        slopes *= 4.0 * (logits - 1.0)
    expected = np.sqrt(np.mean(np.sum(slopes**2, axis=1)))
    np.testing.assert_allclose(measured(model, balance), [expected], rtol=1e-4)
    np.testing.assert_allclose(logs["latent_steepness"], [expected], rtol=1e-4)
    factors = factor(balance, 1.0, [expected])
    np.testing.assert_allclose(logs["latent_rate_factor"], factors, rtol=1e-3)


@pytest.mark.sampled
@pytest.mark.parametrize("schedule", ["joint", "alternating"])
@pytest.mark.parametrize("optimizer", [keras.optimizers.Adam, keras.optimizers.SGD])
def test_discriminator_steps_so_many_times_as_far(make_aae, images, schedule, optimizer):
    moves, encoders = [], []
    balance = Balance(0.3, 0.3, **QUICK)
    for each in (balance, "fixed"):
        model = game(make_aae, each, optimizer(1e-2), schedule=schedule)
        before = discriminator_weights(model)
        step(model, images)
        after = discriminator_weights(model)
        moves.append(np.concatenate([np.ravel(b - a) for a, b in zip(before, after, strict=True)]))
        encoders.append(model.encoder.get_weights())
        if each is balance:
            expected = factor(balance, 1.0, measured(model, balance))
    assert not 0.9 < expected < 1.1 and np.abs(moves[1]).max() > 0.0
    np.testing.assert_allclose(moves[0], expected * moves[1], rtol=1e-3, atol=1e-7)
    if schedule == "joint":
        assert same(*encoders), "the encoder does what it did"


def test_factor_finds_what_is_left_to_move(make_aae, images):
    balance, moves = Balance(0.3, 0.3, **QUICK), []
    for each in (balance, "fixed"):
        optimizer = keras.optimizers.SGD(1e-2)
        model = game(make_aae, each, discriminator_optimizer=optimizer)
        first, last = (x for x in model.divergence.discriminator.layers if x.weights)
        first.trainable = False
        model.compile(discriminator_optimizer=optimizer, balance=each)
        before = first.get_weights(), last.get_weights()
        step(model, images)
        assert same(before[0], first.get_weights())
        moves.append(last.get_weights()[0] - before[1][0])
        if each is balance:
            expected = factor(balance, 1.0, measured(model, balance))
    np.testing.assert_allclose(moves[0], expected * moves[1], rtol=1e-3, atol=1e-7)


@pytest.mark.thorough
@pytest.mark.usefixtures("graph_steps")
def test_each_game_has_a_factor_of_its_own_within_a_graph():
    balance = Balance(0.03, 0.03, **QUICK)

    def trained(balance):
        model = small.build(
            SemiSupervisedAAE, 2 + 3, style_prior=priors.gaussian(2), num_classes=3, seed=0
        )
        before = [d.discriminator.get_weights() for d in model._divergences.values()]
        # What it is compared with needs no graph.
        model.compile(keras.optimizers.SGD(0.1), balance=balance, run_eagerly=balance == "fixed")
        small.gradient_step(model, LABELS)
        after = [d.discriminator.get_weights() for d in model._divergences.values()]
        moves = [
            np.sqrt(sum(np.sum((x - y) ** 2) for x, y in zip(a, b, strict=True)))
            for a, b in zip(before, after, strict=True)
        ]
        return model, np.array(moves)

    model, steered = trained(balance)
    expected = factor(balance, 1.0, measured(model, balance))
    assert abs(expected[0] / expected[1] - 1.0) > 0.1, measured(model, balance)
    _, plain = trained("fixed")
    np.testing.assert_allclose(steered / plain, expected, rtol=1e-3)


@pytest.mark.thorough
@pytest.mark.usefixtures("graph_steps")
def test_rates_a_hundred_times_apart_come_closer(make_aae, images):
    slow = {}
    for rate in (0.1, 0.001):
        model = game(
            make_aae,
            Balance(0.6, 0.6, memory=30),
            discriminator_optimizer=keras.optimizers.Adam(rate),
            steps_per_execution=10,
        )
        rows = np.tile(images, (10, 1, 1, 1))
        model.fit(rows, batch_size=16, epochs=5, shuffle=False, verbose=0)
        slow[rate] = np.exp(model.trainer.balance.state.numpy()[0])
    assert slow[0.1] < 0.05 and slow[0.001] > 0.2, "both began at 0.1"


@pytest.mark.filterwarnings("ignore:The first batch of", "ignore:An update was", "ignore:The guard")
def test_batch_that_is_not_finite_teaches_nothing(make_aae, images):
    model = game(make_aae, Balance(start=0.5))
    rows = np.full_like(images, np.nan)
    data = tf.data.Dataset.from_tensor_slices(rows).batch(64)
    assert model.fit(data, verbose=0).history["skipped_updates"] == [1]
    np.testing.assert_allclose(model.trainer.balance.state.numpy(), np.log([0.5]), rtol=1e-6)


@pytest.mark.sampled
@pytest.mark.parametrize("schedule", ["joint", "alternating"])
@pytest.mark.parametrize("balance", ["fixed", "adaptive"])
def test_discriminator_steps(make_aae, images, schedule, balance):
    model = game(make_aae, balance, schedule=schedule, discriminator_steps=3)
    step(model, images)
    assert int(model.discriminator_optimizer.iterations) == 3
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


@pytest.mark.sampled
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
        fooling = 3.0 * tf.reduce_mean(
            tf.nn.softplus(-model.divergence.discriminator(codes / SCALE))
        )
    for key, loss in {"reconstruction": error, "latent": fooling}.items():
        norm = tf.linalg.global_norm(tape.gradient(loss, variables)).numpy()
        np.testing.assert_allclose(logs[f"{key}_gradient_norm"][0], norm, rtol=1e-4, err_msg=key)


@pytest.mark.thorough
def test_compile_arguments_are_saved(make_aae, images, tmp_path):
    model = game(
        make_aae,
        Balance(0.5, 0.9, 0.2, memory=7),
        discriminator_steps=2,
        log_gradient_norms=True,
    )
    step(model, images)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    arguments = loaded._compile_arguments
    config = {"lowest": 0.5, "highest": 0.9, "start": 0.2, "memory": 7}
    assert arguments["balance"].get_config() == config
    np.testing.assert_array_equal(
        loaded.trainer.balance.state.numpy(), model.trainer.balance.state.numpy()
    )
    assert loaded.trainer.balance.state.numpy() != np.float32(np.log(0.2))
    assert arguments["discriminator_steps"] == 2 and arguments["log_gradient_norms"] is True
    assert step(model, images) == step(loaded, images)


@pytest.mark.parametrize("start", [40.0, 0.0])
def test_balance_refuses_a_start_out_of_range(start):
    with pytest.raises(ValueError, match=r"`start` to be in \[0.001, 30\]. Received: start="):
        Balance(start=start)


def test_balance_refuses_what_is_no_band():
    with pytest.raises(
        ValueError, match=r"`highest` to be at least `lowest`\. Received: lowest=0\.6"
    ):
        Balance(highest=0.5)
    for name in ("lowest", "highest"):
        with pytest.raises(ValueError, match=f"`{name}` to be .*positive"):
            Balance(**{name: 0.0})


def test_critic_has_no_balance(make_aae):
    divergence = divergences.Adversarial(objective="wasserstein", gradient_penalty=1.0)
    model = make_aae(divergence=divergence)
    with pytest.raises(ValueError, match="`balance` to be 'fixed' with objective='wasserstein'"):
        model.compile(balance="adaptive")


def test_compile_refuses(make_aae):
    with pytest.raises(ValueError, match="`balance` to be 'fixed', 'adaptive' or a Balance"):
        make_aae().compile(balance="dynamic")
    with pytest.raises(ValueError, match="`discriminator_steps` to be a positive integer"):
        make_aae().compile(discriminator_steps=0)
    with pytest.raises(TypeError, match="`log_gradient_norms` to be a bool"):
        make_aae().compile(log_gradient_norms=1)
    with pytest.raises(ValueError, match="`memory` to be a positive integer"):
        Balance(memory=0)
