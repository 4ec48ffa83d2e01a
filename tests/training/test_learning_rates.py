"""Callbacks of Keras that change one learning rate, beside several optimizers."""

import keras
import numpy as np
import pytest

from aae_tf import AAE, priors
from tests.models import small
from tests.models.small import INPUTS

pytestmark = pytest.mark.usefixtures("eager_steps")

RATES = {"optimizer": 0.1, "discriminator_optimizer": 0.4, "regularization_optimizer": 0.05}


def _compiled(*names, **kwargs):
    model = small.build(AAE, prior=priors.gaussian(2))
    optimizers = {name: keras.optimizers.SGD(RATES[name]) for name in names} | kwargs
    schedule = "alternating" if "regularization_optimizer" in optimizers else "joint"
    model.compile(**optimizers, schedule=schedule)
    return model


def _fit(model, *callbacks, epochs=3):
    return model.fit(INPUTS, epochs=epochs, verbose=0, callbacks=list(callbacks))


def _rates(model):
    return [float(each.learning_rate) for each in model.trainer.optimizers.values()]


@pytest.mark.sampled
@pytest.mark.parametrize("count", [2, 3])
def test_scheduler_and_plateau_move_all_rates_in_proportion(count):
    names = list(RATES)[:count]
    first = np.array([RATES[name] for name in names])
    model = _compiled(*names)
    # No rate at all in between leaves the ratios.
    scheduler = keras.callbacks.LearningRateScheduler([0.2, 0.0, 0.05].__getitem__)
    seen = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: seen.append(_rates(model))
    )
    _fit(model, scheduler, note)
    expected = np.outer([2.0, 0.0, 0.5], first)
    np.testing.assert_allclose(seen[:: len(seen) // 3], expected, rtol=1e-6)
    plateau = keras.callbacks.ReduceLROnPlateau(
        "loss", factor=0.5, patience=1, min_delta=1e9, min_lr=0.02
    )
    _fit(model, plateau, epochs=4)
    # Halved once; then at the least rate of the first.
    np.testing.assert_allclose(_rates(model), 0.2 * first, rtol=1e-6)


@pytest.mark.thorough
def test_rate_that_is_a_schedule_or_changed_apart_stays():
    decay = keras.optimizers.schedules.ExponentialDecay(0.3, 1000, 1.0)
    model = _compiled(
        "optimizer", "discriminator_optimizer", regularization_optimizer=keras.optimizers.SGD(decay)
    )

    def change(epoch, logs=None):
        model.optimizer.learning_rate = 0.2
        model.discriminator_optimizer.learning_rate = 0.7

    _fit(model, keras.callbacks.LambdaCallback(on_epoch_begin=change), epochs=1)
    np.testing.assert_allclose(_rates(model), [0.2, 0.7, 0.3], rtol=1e-6)
    # What was set between two trainings is where the next one starts.
    model.optimizer.learning_rate = 0.1
    _fit(model, keras.callbacks.LearningRateScheduler(lambda epoch: 0.05), epochs=1)
    np.testing.assert_allclose(_rates(model), [0.05, 0.35, 0.3], rtol=1e-6)


def _halve():
    return keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda model: None, [0.1, 0.4]),
        (lambda model: _halve(), [0.05, 0.2]),
        (lambda model: keras.callbacks.CallbackList([_halve()], True, model=model), [0.05, 0.2]),
    ],
    ids=["none", "one", "list of Keras"],
)
def test_every_form_of_callbacks_is_taken(make, expected):
    model = _compiled("optimizer", "discriminator_optimizer")
    model.fit(INPUTS, verbose=0, callbacks=make(model))
    np.testing.assert_allclose(_rates(model), expected, rtol=1e-6)
