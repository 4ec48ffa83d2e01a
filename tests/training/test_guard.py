"""Batches that would end a training leave no trace, and are counted."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import SemiSupervisedAAE, divergences, networks, posteriors, priors
from aae_tf.models import Guard
from tests.models import small
from tests.models.small import KNOWN

# What is said of bad batches has tests of its own.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The first batch of `x` has values that are not finite"),
    pytest.mark.filterwarnings("ignore:An update was skipped"),
    pytest.mark.filterwarnings("ignore:The guard skipped"),
    pytest.mark.filterwarnings("ignore:The decoder ends in a sigmoid"),
]

SHAPE = (8, 8, 1)
# All of its samples are alike, whatever the seed of a step.
POINT_PRIOR = tfp.distributions.VectorDeterministic(np.float32([1.0, -2.0]))
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.01, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(1e-3),
    "adamw accumulating": lambda: keras.optimizers.AdamW(1e-3, gradient_accumulation_steps=2),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-3)),
}


def batches(images, *bad):
    """Batches of 16 as a data set, which no check of arrays looks into; those of `bad` scaled."""
    rows = images.copy()
    for index, factor in bad:
        rows[16 * index : 16 * (index + 1)] *= factor
    return tf.data.Dataset.from_tensor_slices(rows).batch(16)


def everything(model):
    """All that training moves: weights, moving averages, moments, iterations."""
    optimizers = (model.optimizer, model.discriminator_optimizer, model.regularization_optimizer)
    variables = [v for each in optimizers if each is not None for v in each.variables]
    return [v.numpy() for v in (*model.weights, *variables)]


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def normalised(make_aae, **kwargs):
    """A model with moving averages in the encoder and on the code, and none of random noise."""
    encoder = networks.mlp_encoder(SHAPE, units=(16,), batch_normalization=True, seed=1)
    posterior = posteriors.Deterministic(normalize=True)
    return make_aae(encoder=encoder, posterior=posterior, **kwargs)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("optimizer", "schedule", "factor"),
    [
        *((name, "joint", np.nan) for name in OPTIMIZERS),
        ("adam", "alternating", np.inf),
        ("scaled", "alternating", np.nan),
    ],
)
@pytest.mark.usefixtures("eager_steps")
def test_batch_that_is_not_finite_changes_nothing(make_aae, images, optimizer, schedule, factor):
    model = normalised(make_aae)
    model.compile(OPTIMIZERS[optimizer](), schedule=schedule)
    model.fit(batches(images[:32]), verbose=0)
    before = everything(model)
    logs = model.fit(batches(images[:16], (0, factor)), verbose=0).history
    # The first player refuses it, and no other is asked.
    assert logs["skipped_updates"] == [1]
    assert np.isnan(logs["loss"][0]), "nothing was measured"
    after = everything(model)
    pairs = [(a, b) for a, b in zip(before, after, strict=True) if not np.array_equal(a, b)]
    assert not pairs
    assert np.isfinite(model.encode(images)).all()
    model.fit(batches(images[:16]), verbose=0)
    assert not same(after, everything(model))


@pytest.mark.thorough
@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.integration)])
def test_a_bad_batch_is_as_if_it_had_not_come(make_aae, images, jit_compile):
    good = images[np.r_[0:32, 48:64]]
    logs, states = [], []
    for data in (batches(images, (2, np.nan)), batches(good)):
        model = normalised(make_aae, prior=POINT_PRIOR)
        model.compile(keras.optimizers.Adam(1e-2), jit_compile=jit_compile, steps_per_execution=2)
        logs.append(model.fit(data, verbose=0).history)
        states.append(everything(model))
    for a, b in zip(*states, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert logs[0].pop("skipped_updates") == [1.0]
    assert logs[1].pop("skipped_updates") == [0.0]
    for key, value in logs[0].items():
        np.testing.assert_allclose(value, logs[1][key], rtol=1e-4, err_msg=key)


@pytest.mark.integration
def test_no_branch_for_xla_to_look_into(make_aae, images):
    # It took ten minutes to compile a step of layers of 1000 with them.
    branches = []
    for jit_compile in (True, False):
        model = make_aae()
        model.compile(keras.optimizers.Adam(1e-3), schedule="alternating", jit_compile=jit_compile)
        step = tf.function(model.train_step).get_concrete_function(tf.constant(images[:16]))
        kinds = [operation.type for operation in step.graph.get_operations()]
        branches.append([kind for kind in kinds if kind in ("If", "Case", "While")])
    assert branches[0] == []
    assert len(branches[1]) == 4  # one of each player, and what the last refusal was for


@pytest.mark.integration
@pytest.mark.parametrize("overflows", [False, True])
def test_xla_leaves_loss_scaling_to_the_optimizer(make_aae, images, overflows):
    states = []
    for jit_compile in (True, False):
        model = make_aae(divergence="mmd", encoder=networks.mlp_encoder(SHAPE, units=(8,), seed=1))
        # The squares of a gradient that is scaled so far are beyond float32.
        optimizer = keras.optimizers.LossScaleOptimizer(
            keras.optimizers.Adam(1e-3), 2.0 ** (120 if overflows else 10), dynamic_growth_steps=2
        )
        model.compile(optimizer, jit_compile=jit_compile)
        model.fit(batches(images[:32]), verbose=0)
        states.append(everything(model))
        assert float(optimizer.dynamic_scale.value) == 2.0 ** (118 if overflows else 11)
    for a, b in zip(*states, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.thorough
@pytest.mark.parametrize("optimizer", [pytest.param("sgd", marks=pytest.mark.integration), "adam"])
def test_spike_is_left_out_and_growth_that_lasts_let_in(make_aae, images, optimizer):
    # Under a small discriminator, which is found first, the encoder would go on.
    model = make_aae(divergence=divergences.Adversarial((1000, 1000)))
    model.compile(OPTIMIZERS[optimizer]())
    model.fit(batches(images), epochs=2, verbose=0)
    networks_alone = model.encoder.weights + model.decoder.weights
    before = [v.numpy() for v in networks_alone]
    logs = model.fit(batches(images[:16], (0, 1e6)), verbose=0).history
    assert logs["skipped_updates"][0] >= 1
    assert same(before, [v.numpy() for v in networks_alone])

    logs = model.fit(batches(np.tile(images, (8, 1, 1, 1)) * 1e3), verbose=0).history
    assert 0 < logs["skipped_updates"][0] < 32
    assert not same(before, [v.numpy() for v in networks_alone])


@pytest.mark.sampled
@pytest.mark.usefixtures("eager_steps")
@pytest.mark.parametrize(("schedule", "optimizer"), [("joint", "adam"), ("alternating", "sgd")])
def test_ordinary_training_is_the_same_without_a_guard(make_aae, images, schedule, optimizer):
    results = []
    for guard in (True, None):
        model = normalised(make_aae)
        model.compile(OPTIMIZERS[optimizer](), schedule=schedule, guard=guard)
        logs = model.fit(batches(images[:32]), verbose=0).history
        assert logs.pop("skipped_updates", [0.0]) == [0.0]
        assert logs.pop("shortened_updates", [0.0]) == [0.0]
        results.append((everything(model), logs))
    assert same(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]


@pytest.mark.usefixtures("eager_steps")
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_step_of_sgd_is_made_no_longer_than_allowed(make_aae, images, momentum):
    model = make_aae(divergence="mmd")
    optimizer = keras.optimizers.SGD(100.0, momentum=momentum)
    model.compile(optimizer, guard=Guard(max_step=0.05))
    weights = [v.value for v in model.trainable_variables]
    before = [w.numpy() for w in weights]
    logs = model.fit(batches(images[:16]), verbose=0).history
    assert logs["shortened_updates"] == [1.0]
    moved = np.sqrt(sum(((w.numpy() - b) ** 2).sum() for w, b in zip(weights, before, strict=True)))
    norm = np.sqrt(sum((b**2).sum() for b in before))
    np.testing.assert_allclose(moved, 0.05 * norm * (1.0 - momentum), rtol=1e-4)


@pytest.mark.usefixtures("eager_steps")
def test_training_stops_after_too_many_with_what_to_change():
    model = small.build(
        SemiSupervisedAAE, 2 + 3, style_prior=priors.gaussian(2), num_classes=3, seed=0
    )
    model.compile("adam", guard=Guard(max_consecutive_skips=5))
    weights = model.get_weights()
    data = (small.INPUTS * np.nan, KNOWN)
    stream = tf.data.Dataset.from_tensor_slices(data).batch(4)
    with pytest.raises(FloatingPointError) as error:
        model.fit(stream, verbose=0)
    message = str(error.value)
    assert "Expected gradients of `optimizer`, which moves the encoder's side, to be usable within "
    assert "5 updates. Received: 5 in a row that were not finite" in message
    assert "reconstruction_loss" in message and "style_divergence" in message
    assert "the inputs hold nan: row 0 of the batch, column 0: leave such rows out" in message
    assert "learning rate" not in message
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=True))


@pytest.mark.thorough
@pytest.mark.usefixtures("eager_steps")
def test_message_names_the_discriminators(make_aae, images):
    model = make_aae()
    model.compile(keras.optimizers.Adam(1e-3), guard=Guard(max_consecutive_skips=3))
    model.divergence.discriminator.layers[-1].bias.assign([np.nan])
    with pytest.raises(FloatingPointError, match="encoder's side"):
        model.fit(batches(images), verbose=0)
    model.compile(keras.optimizers.Adam(1e-3), guard=Guard(max_consecutive_skips=3))
    # Only the discriminator's own loss is not finite.
    model.divergence.discriminator.layers[-1].bias.assign([0.0])
    model.divergence.gradient_penalty = np.float32(np.inf)
    with pytest.raises(FloatingPointError) as error:
        model.fit(batches(images), verbose=0)
    message = str(error.value)
    assert "`discriminator_optimizer`, which moves the discriminator of 'latent'" in message
    assert "Not finite in the last of these batches: latent_discriminator_loss. " in message
    assert "`gradient_penalty`" in message


@pytest.mark.thorough
@pytest.mark.parametrize("steps_per_execution", [pytest.param(1, marks=pytest.mark.integration), 4])
def test_training_stops_within_a_compiled_function(make_aae, images, steps_per_execution):
    model = make_aae()
    model.compile(guard=Guard(max_consecutive_skips=6), steps_per_execution=steps_per_execution)
    stream = batches(np.tile(images, (4, 1, 1, 1)) * np.nan)
    with pytest.raises(FloatingPointError, match=r"Received: (6|8) in a row"):
        model.fit(stream, verbose=0)
    model.compile(guard=Guard(max_consecutive_skips=None))
    assert model.fit(stream, verbose=0).history["skipped_updates"] == [16.0]


@pytest.mark.integration
def test_half_precision_finds_its_scale(make_aae, images):
    keras.config.set_dtype_policy("mixed_float16")
    model = make_aae(
        encoder=networks.mlp_encoder(SHAPE, units=(16,), seed=1),
        decoder=networks.mlp_decoder(SHAPE, 2, units=(16,), seed=2),
    )
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(1e-3), initial_scale=2.0**24
    )
    model.compile(optimizer)
    logs = model.fit(batches(images), epochs=10, verbose=0).history
    assert logs["skipped_updates"][0] > 0 and logs["skipped_updates"][-1] == 0
    assert float(model.optimizer.dynamic_scale) < 2.0**24
    assert np.isfinite(logs["loss"]).all()


@pytest.mark.thorough
@pytest.mark.usefixtures("eager_steps")
def test_saved_training_goes_on_with_its_limits(make_aae, images, tmp_path):
    model = make_aae()
    guard = Guard(spike_factor=5.0, max_step=0.1, max_consecutive_skips=7)
    model.compile(keras.optimizers.SGD(0.01), guard=guard, balance="adaptive")
    model.fit(batches(images[:32]), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded._compile_arguments["guard"].get_config() == guard.get_config()
    for a, b in zip(model.trainer.state_variables, loaded.trainer.state_variables, strict=True):
        assert np.any(a.numpy())
        np.testing.assert_array_equal(a, b)
    histories = [each.fit(batches(images[:32]), verbose=0).history for each in (model, loaded)]
    assert histories[0] == histories[1]
    assert same(everything(model), everything(loaded))

    weights = tmp_path / "model.weights.h5"
    model.save_weights(weights)
    other = make_aae()
    other.compile(keras.optimizers.SGD(0.01), guard=None)
    other.load_weights(weights)
    assert other.trainer.state_variables == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"spike_factor": 1.0}, ValueError, "`spike_factor` to be greater than 1, or None"),
        ({"max_step": 0.0}, ValueError, "`max_step` to be positive"),
        (
            {"max_consecutive_skips": 0},
            ValueError,
            "`max_consecutive_skips` to be a positive integer",
        ),
    ],
)
def test_guard_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        Guard(**arguments)


def test_compile_refuses_another_guard(make_aae):
    with pytest.raises(TypeError, match=r"`guard` to be a Guard, a bool or None\. Received: guard"):
        make_aae().compile(guard="skip")


class TestReport:
    @pytest.mark.thorough
    def test_a_learning_rate_that_is_not_finite_moves_nothing(self, make_aae, images):
        model = make_aae()
        with pytest.raises(ValueError, match=r"`optimizer` to have a finite .*learning_rate=nan"):
            model.compile(keras.optimizers.Adam(np.nan))
        model.compile(keras.optimizers.Adam(1e-3), guard=Guard(max_consecutive_skips=3))
        networks_alone = model.encoder.weights + model.decoder.weights
        before = [v.numpy() for v in networks_alone]
        for rate in (np.nan, np.inf):
            model.optimizer.learning_rate = rate
            message = rf"learning rate of `optimizer` is {rate}: set it to a finite one"
            with pytest.raises(FloatingPointError, match=message):
                model.fit(images, batch_size=16, verbose=0)
        assert same(before, [v.numpy() for v in networks_alone])

    @pytest.mark.thorough
    def test_inputs_that_are_not_finite_are_located(self, make_aae, images):
        images[21, 3, 4, 0] = np.inf
        model = make_aae()
        model.compile()
        where = r"the inputs hold inf: row 5 of the batch, index \[3, 4, 0\]"
        with (
            pytest.warns(UserWarning, match=f"skipped in epoch 1, since {where}"),
            pytest.warns(UserWarning, match=f"skipped 2 of 8 batches, since {where}"),
        ):
            model.fit(batches(images), epochs=2, verbose=0)

    @pytest.mark.thorough
    def test_few_batches_are_chance_and_other_causes_have_other_advice(self, make_aae, images):
        model = make_aae()
        model.compile()
        model.fit(batches(images), verbose=0)
        far = np.concatenate([images[:16] * 1e6, images])
        with pytest.warns(
            UserWarning, match=r"skipped \d of 5 batches.* try a lower learning rate"
        ):
            model.fit(batches(far), verbose=0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model.fit(batches(images), verbose=0)

    @pytest.mark.thorough
    def test_a_term_of_no_batch_is_nan(self, make_aae, images):
        model = make_aae()
        model.compile()
        history = model.fit(batches(images * np.nan), verbose=0).history
        for key in ("loss", "reconstruction_loss", "latent_divergence"):
            assert np.isnan(history[key]).all()
        assert history["skipped_updates"] == [4.0]
