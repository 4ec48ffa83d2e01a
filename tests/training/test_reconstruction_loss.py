import keras
import numpy as np
import pytest
import tensorflow as tf

from aae_tf import networks
from aae_tf.training.reconstruction_loss import ReconstructionLoss

X = np.random.default_rng(0).random((5, 4, 3, 1), dtype="float32")
Z = np.random.default_rng(1).normal(size=(5, 2)).astype("float32")


def measure(identifier, decoder, targets=X):
    loss = ReconstructionLoss(identifier, decoder)
    return loss.losses(targets, loss.decode(Z)).numpy()


@pytest.fixture
def decoder():
    return networks.mlp_decoder((4, 3, 1), 2, units=(8,), seed=0)


def test_half_squared_error_is_summed_over_pixels(decoder):
    expected = 0.5 * ((decoder(Z).numpy() - X) ** 2).reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(measure("half_squared_error", decoder), expected, rtol=1e-5)


def test_bernoulli_is_the_cross_entropy_in_nats(decoder):
    p = decoder(Z).numpy().astype("float64")
    expected = -(X * np.log(p) + (1 - X) * np.log1p(-p)).reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(measure("bernoulli", decoder), expected, rtol=1e-5)


def test_bernoulli_stays_exact_where_probabilities_saturate(decoder):
    decoder.set_weights([100.0 * w for w in decoder.get_weights()])
    logits = keras.Model(decoder.inputs[0], decoder.layers[-1].input)(Z).numpy().astype("float64")
    assert np.abs(logits).max() > 100
    expected = (np.logaddexp(0, logits) - X * logits).reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(measure("bernoulli", decoder), expected, rtol=1e-5)


def test_bernoulli_takes_a_decoder_of_another_kind(decoder):
    inputs = keras.Input((2,))
    other = keras.Model(inputs, keras.layers.Lambda(lambda p: 0.5 * p)(decoder(inputs)))
    p = other(Z).numpy()
    expected = -(X * np.log(p) + (1 - X) * np.log1p(-p)).reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(measure("bernoulli", other), expected, rtol=1e-5)


def test_bernoulli_takes_a_sequential_decoder(decoder):
    sequential = keras.Sequential([keras.Input((2,)), *decoder.layers[1:]])
    np.testing.assert_allclose(
        measure("bernoulli", sequential),
        measure("bernoulli", decoder),
        rtol=1e-6,
    )


def test_callable_is_summed_over_all_but_the_batch(decoder):
    expected = np.abs(decoder(Z).numpy() - X).reshape(5, -1).sum(axis=1)
    losses = measure(lambda x, y: tf.abs(x - y), decoder)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "identifier",
    [
        "mse",
        "mean_squared_error",
        keras.losses.mean_squared_error,
        keras.losses.MeanSquaredError,
        keras.losses.MeanSquaredError(),
        keras.losses.MeanSquaredError(reduction="mean"),
    ],
)
def test_losses_of_keras_are_averaged_over_features_as_keras_does(decoder, identifier):
    expected = ((decoder(Z).numpy() - X) ** 2).reshape(5, -1).mean(axis=1)
    losses = measure(identifier, decoder)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    of_keras = keras.losses.MeanSquaredError()(X, decoder(Z))
    np.testing.assert_allclose(losses.mean(), of_keras, rtol=1e-5)


@pytest.mark.parametrize("reduction", ["sum", "none", None])
def test_losses_of_keras_without_a_mean_are_summed_over_what_they_leave(decoder, reduction):
    # The one channel is averaged by the loss itself.
    expected = np.abs(decoder(Z).numpy() - X).reshape(5, -1).sum(axis=1)
    losses = measure(keras.losses.MeanAbsoluteError(reduction=reduction), decoder)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


@pytest.mark.parametrize("identifier", ["half_squared_error", "bernoulli", "mae"])
def test_outputs_are_those_of_the_decoder(decoder, identifier):
    loss = ReconstructionLoss(identifier, decoder)
    np.testing.assert_allclose(loss.outputs(loss.decode(Z)), decoder(Z), rtol=1e-5)


@pytest.mark.parametrize(
    ("identifier", "error", "message"),
    [
        (
            "mes",
            ValueError,
            "one of 'half_squared_error', 'bernoulli', the name of a loss of Keras",
        ),
        (3, TypeError, "`reconstruction_loss` to be a name, a loss of Keras or a callable"),
        (lambda x, y: tf.reshape(x - y, [-1]), ValueError, "first axis is the batch"),
    ],
)
def test_bad_losses_are_refused(decoder, identifier, error, message):
    with pytest.raises(error, match=message):
        ReconstructionLoss(identifier, decoder)
