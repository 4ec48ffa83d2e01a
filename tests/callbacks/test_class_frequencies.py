"""The frequencies of predicted classes in the logs."""

import warnings

import keras
import numpy as np
import pytest

from aae_tf import SemiSupervisedAAE, evaluation, networks, priors
from aae_tf.callbacks.class_frequencies import ClassFrequencies

pytestmark = pytest.mark.usefixtures("eager_steps")

X = np.random.default_rng(0).random((400, 4), dtype="float32")
KEYS = ["class_total_variation", "class_frequency_p_value"]


@pytest.fixture
def model():
    model = SemiSupervisedAAE(
        networks.mlp_encoder((4,), units=(8,), seed=1),
        networks.mlp_decoder((4,), 5, units=(8,), seed=2),
        style_prior=priors.gaussian(2),
        num_classes=3,
        style_divergence="mmd",
        class_divergence="mmd",
        seed=0,
    )
    model.compile(keras.optimizers.SGD(1e-3))
    return model


def _fit(model, callback, epochs=1):
    labels = np.arange(len(X)) % 3
    return model.fit(
        X, labels, batch_size=200, epochs=epochs, verbose=0, callbacks=[callback]
    ).history


def _predict(model, biases):
    """Makes the model give softmax(biases) for all inputs."""
    model.class_head.set_weights([np.zeros_like(model.class_head.get_weights()[0]), biases])


@pytest.mark.thorough
def test_logs_are_what_the_test_says(model):
    _predict(model, np.zeros(3, "float32"))
    history = _fit(model, ClassFrequencies(X[:50]), epochs=2)
    test = evaluation.class_frequency_test(model.classify(X[:50]), model.class_prior)
    assert [len(history[key]) for key in KEYS] == [2, 2]
    assert [history[key][-1] for key in KEYS] == pytest.approx([test.total_variation, test.p_value])


def test_a_prior_that_is_met_is_silent(model):
    _predict(model, np.zeros(3, "float32"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        callback = ClassFrequencies(X)
        callback.set_model(model)
        callback.on_train_end()


def test_a_prior_that_is_missed_is_told_at_the_end_of_training(model):
    _predict(model, np.array([2.0, 0.0, 0.0], "float32"))
    message = (
        r"The 400 inputs of ClassFrequencies are given the class frequencies \[0\.7.*the class "
        r"prior has \[0\.333.*p = \d\.\de-\d+; total variation distance 4\d\.\d%\).*from_labels"
    )
    with pytest.warns(UserWarning, match=message):
        _fit(model, ClassFrequencies(X))


@pytest.mark.thorough
def test_epochs_in_between_repeat_the_last_numbers(model):
    _predict(model, np.array([0.1, 0.0, 0.0], "float32"))
    values = _fit(model, ClassFrequencies(X, every=2), epochs=4)[KEYS[0]]
    assert values[2] == values[1] != values[0]
    assert values[3] != values[2]


def test_what_is_not_finite_is_nan(model):
    callback = ClassFrequencies(X)
    callback.set_model(model)
    callback.on_train_begin()
    model.class_head.set_weights([np.full_like(w, np.nan) for w in model.class_head.get_weights()])
    logs = {}
    callback.on_epoch_end(0, logs)
    assert sorted(logs) == sorted(KEYS)
    assert np.isnan(list(logs.values())).all()
    callback.on_train_end()


def test_wrong_arguments_are_named(model, make_aae, images):
    with pytest.raises(ValueError, match="`every` to be a positive integer"):
        ClassFrequencies(X, every=0)
    with pytest.raises(ValueError, match="`x` to have at least one row"):
        ClassFrequencies(X[:0])
    with pytest.raises(ValueError, match="`x` to have rows of shape"):
        _fit(model, ClassFrequencies(X[:, :3]))
    aae = make_aae(divergence="mmd")
    aae.compile()
    with pytest.raises(TypeError, match="a model of aae_tf with a class prior"):
        aae.fit(images, verbose=0, callbacks=[ClassFrequencies(images)])
