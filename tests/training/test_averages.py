"""Weights that every optimizer averages: in evaluation, at the end of `fit`, saved and loaded."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from aae_tf import AAE, priors
from aae_tf.callbacks import SwapEMAWeights
from tests.models import small
from tests.models.small import INPUTS

pytestmark = pytest.mark.usefixtures("eager_steps")

MOMENTUM = 0.7


def _compiled(schedule="alternating", rate=0.5, **kwargs):
    model = small.build(AAE, prior=priors.gaussian(2))
    # The others are copies.
    optimizer = keras.optimizers.SGD(rate, use_ema=True, ema_momentum=MOMENTUM, **kwargs)
    model.compile(optimizer, schedule=schedule)
    return model


def _weights(model):
    return [weight.numpy() for weight in model.trainable_variables]


class Follower(keras.callbacks.Callback):
    """Averages the weights of a model after each batch, and notes what the model has elsewhere."""

    def on_train_begin(self, logs=None):
        self.average = None
        self.seen = {"test": [], "epoch": []}

    def on_train_batch_end(self, batch, logs=None):
        now = _weights(self.model)
        before = self.average or now
        pairs = zip(before, now, strict=True)
        self.average = [MOMENTUM * a + (1.0 - MOMENTUM) * b for a, b in pairs]
        self.last = now

    def on_test_begin(self, logs=None):
        self.seen["test"].append((self.average, _weights(self.model)))

    def on_epoch_end(self, epoch, logs=None):
        self.seen["epoch"].append((self.average, self.last, _weights(self.model)))


def _assert_equal(actual, expected):
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def _fit(model, *callbacks, **kwargs):
    arguments = {"epochs": 2, "batch_size": 10, "validation_data": INPUTS[:9], "shuffle": False}
    return model.fit(
        INPUTS, callbacks=list(callbacks), verbose=0, **{**arguments, **kwargs}
    ).history


@pytest.mark.sampled
@pytest.mark.parametrize("schedule", ["joint", "alternating"])
@pytest.mark.parametrize("swap_on_epoch", [False, True])
def test_averages_of_all_optimizers_are_evaluated_and_left_at_the_end(schedule, swap_on_epoch):
    model, follower = _compiled(schedule), Follower()
    history = _fit(model, SwapEMAWeights(swap_on_epoch), follower)
    assert len(follower.seen["test"]) == 2
    for average, weights in follower.seen["test"]:
        _assert_equal(weights, average)
    for average, last, weights in follower.seen["epoch"]:
        _assert_equal(weights, average if swap_on_epoch else last)
    assert (
        max(np.abs(a - b).max() for a, b in zip(follower.average, follower.last, strict=True))
        > 0.01
    )
    _assert_equal(_weights(model), follower.average)
    measured = model.evaluate(INPUTS[:9], batch_size=10, verbose=0, return_dict=True)
    for name, value in measured.items():
        np.testing.assert_allclose(history[f"val_{name}"][-1], value, rtol=1e-5, err_msg=name)


@pytest.mark.thorough
def test_training_is_that_without_averages_until_it_ends():
    plain, averaged = small.build(AAE, prior=priors.gaussian(2)), _compiled()
    plain.compile(keras.optimizers.SGD(0.5), schedule="alternating")
    follower = Follower()
    _fit(averaged, SwapEMAWeights(), follower)
    _fit(plain)
    _assert_equal(follower.last, _weights(plain))


@pytest.mark.thorough
def test_averages_are_saved_and_go_on(tmp_path):
    model = _compiled()
    _fit(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    _assert_equal(_weights(loaded), _weights(model))
    for each in (model, loaded):
        _fit(each, epochs=1)
    _assert_equal(_weights(loaded), _weights(model))


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:An update was skipped", "ignore:The guard skipped")
@pytest.mark.usefixtures("graph_steps")
@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.integration)])
def test_rejected_update_moves_no_average(jit_compile):
    broken = np.concatenate([INPUTS[:20], np.full_like(INPUTS[:20], np.nan)])
    averages = []
    for data in (INPUTS[:20], broken):
        model = _compiled("joint", rate=0.1)
        model.compile(model.optimizer, model.discriminator_optimizer, jit_compile=jit_compile)
        batches = tf.data.Dataset.from_tensor_slices(data).batch(10)
        skipped = model.fit(batches, verbose=0).history["skipped_updates"][0]
        averages.append(_weights(model))
    assert skipped == 2.0
    _assert_equal(*averages)


@pytest.mark.filterwarnings("ignore:The first batch of", "ignore:An update", "ignore:The guard")
def test_weights_that_no_update_moved_are_left_alone():
    model = _compiled()
    before = _weights(model)
    model.fit(tf.data.Dataset.from_tensors(np.full_like(INPUTS, np.nan)), verbose=0)
    _assert_equal(_weights(model), before)


def test_weights_are_overwritten_in_between_as_keras_does():
    model, follower = _compiled("joint", ema_overwrite_frequency=4), Follower()
    _fit(model, follower, epochs=1)
    # The fourth update of four overwrote the weights by their averages.
    _assert_equal(_weights(model), follower.last)


@pytest.mark.thorough
def test_interrupted_evaluation_leaves_the_weights():
    model, follower = _compiled(), Follower()

    class Interrupt(keras.callbacks.Callback):
        def on_test_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _fit(model, SwapEMAWeights(), follower, Interrupt())
    _assert_equal(_weights(model), follower.last)


def test_what_cannot_be_swapped_is_refused():
    model = _compiled()
    with pytest.raises(ValueError, match=r"aae_tf.callbacks.SwapEMAWeights.*all optimizers"):
        _fit(model, keras.callbacks.SwapEMAWeights())
    with pytest.raises(ValueError, match=r"aae_tf.callbacks.SwapEMAWeights.*all optimizers"):
        model.evaluate(INPUTS[:9], callbacks=[keras.callbacks.SwapEMAWeights()], verbose=0)
    model.compile()
    with pytest.raises(ValueError, match=r"optimizer to average weights.*none with use_ema=True"):
        _fit(model, SwapEMAWeights())
