"""The variational autoencoder against NumPy."""

import keras
import numpy as np
import pytest

from aae_tf import VAE, posteriors, priors
from tests.models.small import INPUTS, build, dense, forward, gradient_step, measure

pytestmark = pytest.mark.usefixtures("eager_steps")

LATE = keras.optimizers.schedules.PiecewiseConstantDecay([0], [0.0, 1.0])


def _model(**kwargs):
    return build(VAE, **{"prior": priors.gaussian(2, scale=3.0), **kwargs})


def _narrow(model, log_variance):
    """Gives every q(z|x) nearly the same, known variance."""
    kernel, bias = model.posterior.log_variance_layer.get_weights()
    squashed = 10.0 * np.arctanh(log_variance / 10.0)
    model.posterior.log_variance_layer.set_weights([0 * kernel, 0 * bias + squashed])


@pytest.mark.parametrize("loss", ["half_squared_error", "bernoulli"])
def test_loss_is_the_negative_bound(loss):
    model = _model(kl_weight=0.7)
    # So narrow that a code is its mean.
    _narrow(model, -9.99)
    model.compile(reconstruction_loss=loss)
    mean = dense(model.posterior.mean_layer, forward(model.encoder, INPUTS))
    outputs = forward(model.decoder, mean)
    variance = np.exp(-9.99)
    divergence = 0.5 * ((variance + mean**2) / 9.0 - 1.0 + np.log(9.0 / variance)).sum(axis=1)
    if loss == "bernoulli":
        error = -(INPUTS * np.log(outputs) + (1 - INPUTS) * np.log1p(-outputs)).sum(axis=1)
    else:
        error = 0.5 * ((INPUTS - outputs) ** 2).sum(axis=1)
    logs = measure(model)
    np.testing.assert_allclose(logs["reconstruction_loss"], error.mean(), rtol=2e-3)
    np.testing.assert_allclose(logs["latent_divergence"], divergence.mean(), rtol=1e-4)
    total = logs["reconstruction_loss"] + 0.7 * logs["latent_divergence"]
    np.testing.assert_allclose(logs["loss"], total, rtol=1e-5)
    assert set(logs) == {"loss", "reconstruction_loss", "latent_divergence"}


def test_codes_are_drawn_with_the_posterior_s_variance():
    model = _model()
    _narrow(model, 1.0)
    inputs = np.repeat(INPUTS[:1], 4000, axis=0)
    from aae_tf.models import Batch

    codes = model.sample_codes(Batch(inputs, None, None), [1, 2], True)["latents"].numpy()
    np.testing.assert_allclose(codes.var(axis=0), np.e, rtol=4.5 * np.sqrt(2 / 4000))
    mean = model.encode(inputs[:1])[0]
    assert (np.abs(codes.mean(axis=0) - mean) < 4.5 * np.sqrt(np.e / 4000)).all()


@pytest.mark.thorough
def test_kl_weight_is_a_schedule_too():
    weights = []
    for kl_weight in (LATE, 0.0, 1.0):
        model = _model(kl_weight=kl_weight)
        model.compile(keras.optimizers.SGD(0.1))
        gradient_step(model)
        weights.append([model.get_weights()])
        gradient_step(model)
        weights[-1].append(model.get_weights())
    (late, later), (without, never), (always, _) = weights
    for a, b in zip(late, without, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not all(map(np.array_equal, later, never))
    assert not all(map(np.array_equal, late, always))


@pytest.mark.thorough
def test_any_prior_with_a_density_serves():
    model = _model(prior=priors.ring_mixture(5))
    model.compile(keras.optimizers.Adam(0.05))
    history = gradient_step(model, epochs=10)
    assert np.isfinite(history["loss"]).all()
    assert np.mean(history["latent_divergence"][-3:]) < np.mean(history["latent_divergence"][:3])


def test_the_bound_is_not_taken_apart():
    with pytest.raises(ValueError, match=r"`schedule` to be one of 'joint'\. Received: schedule="):
        _model().compile(schedule="alternating")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"posterior": "deterministic"}, ValueError, "`posterior` to be one of 'gaussian'"),
        ({"posterior": posteriors.Universal()}, TypeError, "to be a name or a Gaussian"),
        ({"kl_weight": -1.0}, ValueError, "`kl_weight` to be a finite number, zero or more"),
        ({"kl_weight": None}, TypeError, "`kl_weight` to be a number or a"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        _model(**arguments)
