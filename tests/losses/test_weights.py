import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from aae_tf import losses

RAMP = keras.optimizers.schedules.PolynomialDecay(0.0, 10, end_learning_rate=2.0)


@pytest.mark.parametrize("value", [0, 3, 0.5, np.float32(0.5), np.int64(2)])
def test_number_comes_back_as_a_float(value):
    weight = losses.check_weight("weight", value)
    assert type(weight) is float
    assert losses.weight_at(weight, 7) == losses.serialize_weight(weight) == value
    assert losses.deserialize_weight(losses.serialize_weight(weight)) == value


@pytest.mark.parametrize("value", ["1", None, True, 1j, [1.0], lambda step: 1.0])
def test_what_is_neither_number_nor_schedule_is_refused(value):
    with pytest.raises(TypeError, match=r"Expected `head_weight` to be a number or a keras\.optim"):
        losses.check_weight("head_weight", value)


@pytest.mark.parametrize("value", [-1e-9, float("inf"), float("nan")])
def test_negative_or_infinite_number_is_refused(value):
    with pytest.raises(ValueError, match="`head_weight` to be a finite number, zero or more"):
        losses.check_weight("head_weight", value)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_schedule_is_followed_inside_a_graph(jit_compile):
    weight = losses.check_weight("weight", RAMP)
    assert weight is RAMP
    follow = tf.function(
        lambda step: losses.weight_at(weight, step), jit_compile=jit_compile, autograph=False
    )
    values = [follow(tf.constant(step, tf.int64)) for step in (0, 5, 10, 99)]
    assert all(value.dtype == tf.float32 for value in values)
    np.testing.assert_allclose(values, [0.0, 1.0, 2.0, 2.0], rtol=1e-6)


def test_schedule_survives_json():
    config = json.loads(json.dumps(losses.serialize_weight(RAMP)))
    again = losses.deserialize_weight(config)
    assert again.get_config() == RAMP.get_config()
    # A config that was never written to JSON may hold the schedule itself.
    assert losses.deserialize_weight(RAMP) is RAMP
