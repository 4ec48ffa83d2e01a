"""Each player scales its loss in float16, and finds its own scale."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from aae_tf import divergences, models, networks, priors
from aae_tf.models import Guard
from tests.models import small
from tests.models.small import INPUTS

pytestmark = pytest.mark.usefixtures("eager_steps")

PLAYERS = ("optimizer", "discriminator_optimizer", "regularization_optimizer")
# A gradient of 1 is then beyond the 65504 of float16.
TOO_HIGH = 2.0**60


def _model(weight=1.0):
    game = divergences.Adversarial(networks.mlp_discriminator(2, units=(8,), seed=4), weight=weight)
    return small.build(models.AAE, prior=priors.gaussian(2), divergence=game)


def _scaled(optimizer=None, **kwargs):
    optimizer = optimizer or keras.optimizers.Adam(1e-3)
    return keras.optimizers.LossScaleOptimizer(optimizer, **kwargs)


def _scales(model):
    return {name: float(getattr(model, name).dynamic_scale) for name in PLAYERS}


def _step(model):
    return small.gradient_step(model)


@pytest.fixture
def half():
    """Lets layers that are built from now on compute in float16."""
    keras.config.set_dtype_policy("mixed_float16")


@pytest.mark.sampled
@pytest.mark.usefixtures("half")
@pytest.mark.parametrize("player", PLAYERS)
def test_scale_falls_at_an_overflow_of_its_player_and_grows_again(player, tmp_path):
    model = _model()
    optimizers = {name: _scaled(initial_scale=2.0**10, dynamic_growth_steps=3) for name in PLAYERS}
    model.compile(**optimizers, schedule="alternating")
    before = [w.numpy() for w in getattr(model, player).inner_optimizer._trainable_variables]
    optimizers[player].dynamic_scale.assign(TOO_HIGH)
    logs = _step(model)
    assert logs["skipped_updates"] == [1.0]
    assert _scales(model) == {**dict.fromkeys(PLAYERS, 2.0**10), player: TOO_HIGH / 2}
    after = [w.numpy() for w in getattr(model, player).inner_optimizer._trainable_variables]
    if player != "regularization_optimizer":  # The first player moves the same encoder.
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))

    optimizers[player].dynamic_scale.assign(1.0)
    _step(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for twin in (model, loaded):
        assert int(getattr(twin, player).step_counter) == 1
        assert _scales(twin)[player] == 1.0
    for twin in (model, loaded):
        _step(twin)
        assert _scales(twin)[player] == 1.0
        logs = _step(twin)
        assert _scales(twin)[player] == 2.0
        assert logs["skipped_updates"] == [0.0]
    for name in PLAYERS:
        for a, b in zip(*(getattr(x, name).variables for x in (model, loaded)), strict=True):
            np.testing.assert_array_equal(a, b)


def _moves(policy, **kwargs):
    """How far one step of each player moves the weights, for losses of 1e-6 nats."""
    keras.config.set_dtype_policy(policy)
    model = _model(weight=1e-6)
    model.compile(
        *(keras.optimizers.SGD(1e6), keras.optimizers.SGD(1.0)),
        regularization_optimizer=keras.optimizers.SGD(1e6),
        reconstruction_weight=1e-6,
        schedule="alternating",
        guard=Guard(max_step=None),
        log_gradient_norms=True,
        **kwargs,
    )
    before = [w.numpy() for w in model.trainable_variables]
    logs = _step(model)
    moves = [w.numpy() - b for w, b in zip(model.trainable_variables, before, strict=True)]
    return np.concatenate([move.ravel() for move in moves]), logs


@pytest.mark.thorough
def test_gradients_are_scaled_on_their_way_and_not_where_they_arrive():
    expected, logs = _moves("float32")
    moved, scaled_logs = _moves("mixed_float16")
    assert np.linalg.norm(expected) > 0.1
    assert np.linalg.norm(moved - expected) < 0.01 * np.linalg.norm(expected)
    for code in ("reconstruction", "latent"):
        norm = logs[f"{code}_gradient_norm"][0]
        assert 1e-9 < norm < 1e-5
        assert scaled_logs[f"{code}_gradient_norm"][0] == pytest.approx(norm, rel=0.01)
    # Without a scale most of them are below 6e-8, the smallest number of float16.
    lost, _ = _moves("mixed_float16", auto_scale_loss=False)
    assert np.linalg.norm(lost - expected) > 0.1 * np.linalg.norm(expected)


@pytest.mark.thorough
@pytest.mark.usefixtures("half")
def test_the_guard_judges_gradients_that_are_unscaled():
    model = _model()
    optimizers = [_scaled(initial_scale=8.0, dynamic_growth_steps=1) for _ in range(2)]
    model.compile(*optimizers, guard=Guard(spike_factor=4.0))
    # The scale doubles at every step, and so would a norm of scaled gradients.
    logs = small.gradient_step(model, epochs=6)
    assert logs["skipped_updates"] == [0.0] * 6
    assert [float(each.dynamic_scale) for each in optimizers] == [2.0**9] * 2


@pytest.mark.thorough
@pytest.mark.usefixtures("half")
def test_training_without_a_guard_finds_its_scale():
    model = _model()
    model.compile(*(_scaled(initial_scale=2.0**22) for _ in range(2)), guard=None)
    before = [v.numpy() for v in model.trainable_variables]
    logs = small.gradient_step(model, epochs=16)
    assert np.isfinite(logs["loss"]).all()
    for optimizer in (model.optimizer, model.discriminator_optimizer):
        assert 1.0 < float(optimizer.dynamic_scale) < 2.0**22
        assert 0 < int(optimizer.iterations) < 16
    for variable, value in zip(model.trainable_variables, before, strict=True):
        assert not np.array_equal(variable, value)


@pytest.mark.usefixtures("half")
@pytest.mark.parametrize("name", ["optimizer", "discriminator_optimizer"])
def test_scales_that_the_user_sets_are_kept(name):
    model = _model()
    model.compile(**{name: _scaled(initial_scale=8.0), "schedule": "alternating"})
    assert float(getattr(model, name).dynamic_scale) == 8.0
    config = model.get_compile_config()[name]["config"]
    assert config["initial_scale"] == 8.0
    # Further players copy the first.
    others = [other for other in PLAYERS if other != name]
    expected = 8.0 if name == "optimizer" else 2.0**15
    assert {_scales(model)[other] for other in others} == {expected}


@pytest.mark.slow
@pytest.mark.usefixtures("half", "graph_steps")
def test_scales_are_found_under_xla():
    model = _model()
    model.compile(*(_scaled(initial_scale=TOO_HIGH) for _ in range(2)), jit_compile=True)
    stream = tf.data.Dataset.from_tensor_slices(INPUTS).batch(40).repeat(90)
    logs = model.fit(stream, verbose=0).history
    assert 0.0 < logs["skipped_updates"][0] < 90.0
    assert float(model.optimizer.dynamic_scale) < TOO_HIGH
    assert np.isfinite(logs["loss"][0])
