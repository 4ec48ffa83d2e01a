"""A scale that is too high is lowered; a bad batch is not its fault."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from aae_tf import divergences, models, networks, priors
from aae_tf.models import Guard
from tests.models import small
from tests.models.small import INPUTS

pytestmark = [
    pytest.mark.usefixtures("eager_steps", "half"),
    pytest.mark.filterwarnings("ignore:The first batch of `x` has values that are not finite"),
    pytest.mark.filterwarnings("ignore:An update was skipped"),
    pytest.mark.filterwarnings("ignore:The guard skipped"),
]


@pytest.fixture
def half():
    keras.config.set_dtype_policy("mixed_float16")


def _model():
    game = divergences.Adversarial(networks.mlp_discriminator(2, units=(8,), seed=4))
    return small.build(models.AAE, prior=priors.gaussian(2), divergence=game)


def _scaled(initial_scale=2.0**15):
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-3), initial_scale)


def _fit(model, *factors):
    """A batch for each factor, which scales its inputs."""
    rows = np.concatenate([INPUTS * np.float32(factor) for factor in factors])
    stream = tf.data.Dataset.from_tensor_slices(rows).batch(40)
    return model.fit(stream, verbose=0).history


@pytest.mark.integration
def test_looking_for_the_scale_is_no_bad_batch():
    model = _model()
    model.compile(_scaled(2.0**30), _scaled(2.0**30), guard=Guard(max_consecutive_skips=3))
    logs = _fit(model, *[1.0] * 40)
    assert logs["skipped_updates"][0] > 6
    assert np.isfinite(logs["loss"]).all()


@pytest.mark.thorough
@pytest.mark.parametrize("factor", [np.nan, np.inf])
def test_a_batch_that_is_not_finite_is_not_the_fault_of_the_scale(factor):
    model = _model()
    model.compile(_scaled(64.0), _scaled(64.0))
    logs = _fit(model, 1.0, *[factor] * 3, 1.0)
    assert logs["skipped_updates"] == [3.0]
    for optimizer in (model.optimizer, model.discriminator_optimizer):
        # Growth would start anew as well, and never come to two thousand steps.
        assert float(optimizer.dynamic_scale) == 64.0
        assert int(optimizer.step_counter) == 2


def test_bad_batches_still_stop_the_training():
    model = _model()
    model.compile(_scaled(64.0), _scaled(64.0), guard=Guard(max_consecutive_skips=3))
    with pytest.raises(FloatingPointError, match=r"3 in a row that were not finite.*hold nan: row"):
        _fit(model, *[np.nan] * 4)
    model.decoder.layers[-2].bias.assign(np.full(4, np.nan))
    with pytest.raises(FloatingPointError, match=r"or the precision mixed_bfloat16"):
        _fit(model, *[1.0] * 8)


def test_a_scale_of_one_is_not_lowered():
    model = _model()
    # The gradient itself is beyond float16.
    model.compile(
        _scaled(4.0), _scaled(4.0), reconstruction_weight=1e9, guard=Guard(max_consecutive_skips=3)
    )
    with pytest.raises(FloatingPointError, match="3 in a row that were not finite"):
        _fit(model, *[1.0] * 8)
    assert float(model.optimizer.dynamic_scale) == 1.0


def test_an_optimizer_of_another_model_is_refused():
    optimizer = keras.optimizers.Adam()
    _model().compile(optimizer)
    with pytest.raises(ValueError, match="`optimizer` to be an optimizer of its own"):
        _model().compile(optimizer)


def test_looking_for_the_scale_is_logged_with_its_loss():
    model = _model()
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-3), 2.0**120)
    model.compile(optimizer)
    logs = model.fit(INPUTS, callbacks=[keras.callbacks.TerminateOnNaN()], epochs=2, verbose=0)
    assert len(logs.epoch) == 2
    assert logs.history["skipped_updates"][0] > 0
    for key in ("loss", "reconstruction_loss"):
        assert np.isfinite(logs.history[key]).all()
