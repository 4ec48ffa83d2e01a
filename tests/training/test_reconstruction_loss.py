import keras
import numpy as np
import pytest
import tensorflow as tf

from aae_tf import networks
from aae_tf.training.reconstruction_loss import ReconstructionLoss

X = np.random.default_rng(0).random((5, 4, 3, 1), dtype="float32")
Z = np.random.default_rng(1).normal(size=(5, 2)).astype("float32")


@pytest.fixture
def decoder():
    return networks.mlp_decoder((4, 3, 1), 2, units=(8,), seed=0)


def test_half_squared_error_is_summed_over_pixels(decoder):
    expected = 0.5 * ((decoder(Z).numpy() - X) ** 2).reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(
        ReconstructionLoss("half_squared_error", decoder)(X, Z), expected, rtol=1e-5
    )


def test_bernoulli_is_the_cross_entropy_in_nats(decoder):
    p = decoder(Z).numpy().astype("float64")
    expected = -(X * np.log(p) + (1 - X) * np.log1p(-p)).reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(ReconstructionLoss("bernoulli", decoder)(X, Z), expected, rtol=1e-5)


def test_bernoulli_stays_exact_where_probabilities_saturate(decoder):
    decoder.set_weights([100.0 * w for w in decoder.get_weights()])
    logits = keras.Model(decoder.inputs[0], decoder.layers[-1].input)(Z).numpy().astype("float64")
    assert np.abs(logits).max() > 100
    expected = (np.logaddexp(0, logits) - X * logits).reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(ReconstructionLoss("bernoulli", decoder)(X, Z), expected, rtol=1e-5)


def test_bernoulli_takes_a_decoder_of_another_kind(decoder):
    inputs = keras.Input((2,))
    other = keras.Model(inputs, keras.layers.Lambda(lambda p: 0.5 * p)(decoder(inputs)))
    p = other(Z).numpy()
    expected = -(X * np.log(p) + (1 - X) * np.log1p(-p)).reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(ReconstructionLoss("bernoulli", other)(X, Z), expected, rtol=1e-5)


def test_bernoulli_takes_a_sequential_decoder(decoder):
    sequential = keras.Sequential([keras.Input((2,)), *decoder.layers[1:]])
    np.testing.assert_allclose(
        ReconstructionLoss("bernoulli", sequential)(X, Z),
        ReconstructionLoss("bernoulli", decoder)(X, Z),
        rtol=1e-6,
    )


def test_callable_is_summed_over_all_but_the_batch(decoder):
    loss = ReconstructionLoss(lambda x, y: tf.abs(x - y), decoder)
    expected = np.abs(decoder(Z).numpy() - X).reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(loss(X, Z), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("identifier", "error", "message"),
    [
        ("mse", ValueError, "one of 'half_squared_error', 'bernoulli', or a callable"),
        (3, TypeError, "`reconstruction_loss` to be a name or a callable"),
        (keras.losses.MeanSquaredError(), ValueError, "needs reduction=None"),
        (lambda x, y: tf.reshape(x - y, [-1]), ValueError, "first axis is the batch"),
    ],
)
def test_bad_losses_are_refused(decoder, identifier, error, message):
    with pytest.raises(error, match=message):
        ReconstructionLoss(identifier, decoder)
